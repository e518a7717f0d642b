"""Fits to data: tables, default quality, residual variance and calibration."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from codec import Codec, Scorer
from codec.entropy.range_coder import RangeCoder
from codec.errors import BundleError, InvalidInput, RecordError
from codec.images.files import prepare, restore_geometry, to_pixels
from codec.images.input_spec import InputSpec
from codec.priors.index_map import IndexPrior
from codec.quantise import dequantise, quantise
from codec.record.frame import Record, pack
from codec.scores.scores import masking, residual_map
from exporter.fit import bundle as fit
from exporter.fit.index_map import fit_index_prior
from exporter.fit.latents import batches
from exporter.options import default_false_alarm_rate

pytestmark = pytest.mark.slow

NAMES = ["sigma_vae", "sigma_vae_map", "vq_vae", "vq_vae_fixed", "vq_vae_2", "fsq"]
FACTORISED = ["sigma_vae"]
ANY_SIZE = InputSpec(channels=1, height=None, width=None, stride=8, fit="pad")


@pytest.fixture(scope="module")
def fitted(exported):
    """Gives the complete bundle of an exported network, and the network."""
    kept = {}

    def get(name, target_psnr=None):
        if (name, target_psnr) not in kept:
            each = exported(name)
            kept[name, target_psnr] = fit.fit_bundle(
                each.draft,
                each.graphs,
                each.training,
                each.held_out,
                target_psnr=target_psnr,
                registered=False,
                log=lambda _: None,
            )
        return kept[name, target_psnr], exported(name)

    return get


def encoded(each):
    """First outputs of the encoder for the training images, one by one, `[D, n]` each."""
    spec, latent = each.draft.manifest.input, each.draft.manifest.latent
    rows = (prepare(image, spec).tiles for image in each.training)
    return [each.graphs.encode(x)[0].reshape(latent.dims, -1) for x in rows]


@pytest.mark.parametrize("name", FACTORISED)
def test_the_tables_cover_every_training_image_at_every_level(fitted, name):
    bundle, each = fitted(name)
    assert len(bundle.priors) == bundle.manifest.quality_levels == len(bundle.steps)
    for values in encoded(each):
        for step, prior in zip(bundle.steps, bundle.priors, strict=True):
            codes = quantise(values[None], step)[..., None]
            (part,) = prior.passes(codes)
            low = prior.tables.low[part.table_index]
            assert ((codes >= low) & (codes < low + prior.tables.escape)).all()


@pytest.mark.parametrize("name", FACTORISED)
def test_the_tables_follow_the_frequencies_of_the_codes(fitted, name):
    """Coding the training images costs hardly more than the entropy of their own histogram."""
    bundle, each = fitted(name)
    level = bundle.manifest.quality_default
    codes = quantise(np.concatenate(encoded(each), axis=1)[None], bundle.steps[level])[0]
    entropy = 0.0
    for column in codes:
        counts = np.unique(column, return_counts=True)[1]
        entropy -= (counts * np.log2(counts / counts.sum())).sum()
    bits = bundle.priors[level].bits(codes[None, ..., None]).sum()
    assert entropy <= bits < 1.05 * entropy + 20


def test_a_latent_map_costs_less_than_the_entropy_of_its_channels(fitted):
    bundle, each = fitted("sigma_vae_map")
    assert bundle.manifest.latent.prior == "map"
    spec = bundle.manifest.input
    maps = [each.graphs.encode(prepare(image, spec).tiles)[0] for image in each.training]
    for step, prior in zip(bundle.steps, bundle.priors, strict=True):
        codes = [quantise(one, step) for one in maps]
        bits, entropy = sum(prior.bits(one).sum() for one in codes), 0.0
        for column in np.concatenate([one.reshape(one.shape[1], -1) for one in codes], 1):
            counts = np.unique(column, return_counts=True)[1]
            entropy -= (counts * np.log2(counts / counts.sum())).sum()
        assert bits < 0.95 * entropy


@pytest.mark.parametrize("name", ["sigma_vae", "sigma_vae_map"])
def test_steps_follow_the_geometric_mean_of_the_posterior_deviations(fitted, name):
    bundle, each = fitted(name)
    spec, dims = each.draft.manifest.input, each.draft.manifest.latent.dims
    rows = (prepare(image, spec).tiles for image in each.training)
    log_var = [each.graphs.encode(x)[1].reshape(dims, -1) for x in rows]
    sigma = np.exp(np.mean([one.mean(1) for one in log_var], axis=0) / 2)
    np.testing.assert_allclose(bundle.steps[8], np.sqrt(12) * sigma, rtol=1e-5)
    np.testing.assert_allclose(bundle.steps[4], 2 * bundle.steps[8], rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_record_decodes_to_the_quantised_output_of_the_encoder(fitted, name):
    bundle, each = fitted(name)
    spec, step = bundle.manifest.input, bundle.steps[bundle.manifest.quality_default]
    codec = Codec(bundle, each.graphs)
    restored = codec.decompress(codec.compress(each.held_out))
    for image, found in zip(each.held_out, restored, strict=True):
        fitted_image = prepare(image, spec)
        latent = each.graphs.encode(fitted_image.tiles)[0]
        if bundle.manifest.latent.kind == "gaussian":
            latent = dequantise(quantise(latent, step), step)
        x_hat = restore_geometry(each.graphs.decode(latent), fitted_image.size, spec)
        assert np.abs(to_pixels(x_hat).astype(int) - found).max() <= 1


def test_index_maps_of_tiles_go_through_one_record(fitted):
    bundle, each = fitted("vq_vae_fixed")
    spec = replace(bundle.manifest.input, fit="tile")
    codec = Codec(replace(bundle, manifest=replace(bundle.manifest, input=spec)), each.graphs)
    whole = np.concatenate(
        [np.concatenate(each.held_out[:2]), np.concatenate(each.held_out[2:4])], 1
    )
    (restored,) = codec.decompress(codec.compress([whole[:30, :40]]))
    assert restored.shape == (30, 40, 1)
    alone = Codec(bundle, each.graphs)
    (corner,) = alone.decompress(alone.compress([each.held_out[0]]))
    np.testing.assert_array_equal(restored[:16, :24], corner)


@pytest.mark.parametrize("name", ["vq_vae", "vq_vae_fixed", "vq_vae_2", "fsq"])
def test_index_maps_are_coded_by_the_prior_that_fits_them(fitted, name):
    bundle, each = fitted(name)
    spec, latent = bundle.manifest.input, bundle.manifest.latent
    assert latent.prior == "neighbours"
    sizes = {}
    for image in each.training:
        codes = each.graphs.encode(prepare(image, spec).tiles)[0].astype(np.int32)
        sizes.setdefault(codes.shape[2:], []).append(codes)
    maps = [np.concatenate(found) for found in sizes.values()]
    expected = IndexPrior.pack((fit_index_prior(maps, latent.codebook, latent.grid),))
    for array, found in IndexPrior.pack(bundle.priors).items():
        np.testing.assert_array_equal(found, expected[array])


@pytest.mark.parametrize("name", ["vq_vae", "vq_vae_2", "fsq"])
@pytest.mark.parametrize("index", [-1, 8])
def test_an_index_outside_the_codebook_is_rejected_in_every_dimension(fitted, name, index):
    bundle, each = fitted(name)
    codec, latent = Codec(bundle, each.graphs), bundle.manifest.latent
    for symbol in range(latent.dims):
        codes = np.zeros((1, latent.dims, 2, 3), np.int32)
        codes[0, symbol, 1, 1] = index
        payload = RangeCoder(bundle.priors[0]).encode(codes)
        record = pack(Record(0, (16, 24), payload), bundle.model_id)
        with pytest.raises(RecordError, match=f"an index outside 0..{latent.codebook - 1}"):
            codec.decompress([record])


@pytest.mark.parametrize("name", NAMES)
def test_latent_statistics_are_those_of_the_input_of_the_decoder(fitted, name):
    bundle, each = fitted(name)
    step = bundle.steps[bundle.manifest.quality_default][:, None]
    values = np.concatenate(encoded(each), axis=1)
    decoded = np.rint(values / step) * step
    np.testing.assert_allclose(
        bundle.calibration.latent_mean, decoded.mean(1), rtol=1e-4, atol=1e-5
    )
    variance = decoded.var(1) + step[:, 0] ** 2 / 12
    np.testing.assert_allclose(bundle.calibration.latent_variance, variance, rtol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_p_values_of_the_held_out_images_are_uniform(fitted, name):
    """A calibration image of rank k among n has p = (k + 1) / (n + 1), its own score included."""
    bundle, each = fitted(name)
    n = len(each.held_out)
    codec = Codec(bundle, each.graphs)
    p = np.sort([score.p_value for score in Scorer(codec).score(each.held_out)])
    np.testing.assert_allclose(p, np.arange(2, n + 2) / (n + 1))
    assert Scorer(codec).calibration_images == n


@pytest.mark.parametrize("name", NAMES)
def test_the_default_false_alarm_rate_is_applied(fitted, name):
    bundle, each = fitted(name)
    rate = bundle.manifest.score.false_alarm_rate
    assert rate == default_false_alarm_rate(None, len(each.held_out))
    for score in Scorer(Codec(bundle, each.graphs)).score(each.held_out[:2]):
        assert score.anomalous == (score.p_value <= rate)


def test_one_normal_image_in_ten_reaches_the_full_colour_of_the_heat_map(fitted):
    bundle, each = fitted("sigma_vae_map")
    scorer = Scorer(Codec(bundle, each.graphs))
    raw = scorer.raw_scores(each.held_out)
    reached = [one.heatmap.max() >= scorer.heatmap_vmax for one in raw]
    assert 0 < sum(reached) <= 0.1 * len(reached) + 1


def test_the_calibration_has_the_peak_of_every_heat_map(fitted):
    bundle, each = fitted("sigma_vae_map")
    raw = Scorer(Codec(bundle, each.graphs)).raw_scores(each.held_out)
    expected = sorted(one.heatmap.max() for one in raw)
    np.testing.assert_allclose(bundle.calibration.heatmap_peaks, expected, rtol=1e-5)


def test_the_chosen_quality_is_the_coarsest_that_reaches_the_psnr(fitted):
    bundle, each = fitted("sigma_vae")
    codec, images = Codec(bundle, each.graphs), np.stack(each.held_out).astype(float)
    reached = []
    for level in range(17):
        restored = np.stack(codec.decompress(codec.compress(each.held_out, level)))
        reached.append(20 * np.log10(255) - 10 * np.log10(((images - restored) ** 2).mean()))
    # Never a value itself: rounding decides there.
    for target in (min(reached) - 1, (min(reached) + max(reached)) / 2, max(reached) - 1e-6):
        level = fit.choose_quality(bundle, each.graphs, each.held_out, target)
        assert reached[level] >= target
        assert all(psnr < target for psnr in reached[:level])


def test_a_psnr_that_no_level_reaches_is_rejected_with_the_best_possible(fitted):
    bundle, each = fitted("vq_vae")
    with pytest.raises(BundleError, match=r"no quality level reaches 99 dB; the finest has \d+\."):
        fit.choose_quality(bundle, each.graphs, each.held_out, 99.0)


def test_the_calibration_is_made_at_the_chosen_quality(fitted):
    coarse, each = fitted("sigma_vae", 1.0)
    assert coarse.manifest.quality_default == 0
    default, _ = fitted("sigma_vae")
    assert default.manifest.quality_default == 8
    assert (coarse.calibration.residual_variance != default.calibration.residual_variance).all()
    p = sorted(score.p_value for score in Scorer(Codec(coarse, each.graphs)).score(each.held_out))
    assert p[0] == pytest.approx(2 / 25)


def test_identical_images_have_a_finite_psnr():
    image = [np.zeros((4, 4, 1), np.uint8)]
    assert fit.psnr(image, image) == 120.0


def residuals(count=50, height=6, width=8, channels=3):
    """Images, and others that differ by noise whose deviation grows from left to right."""
    rng = np.random.default_rng(0)
    images = rng.integers(80, 170, (count, height, width, channels), np.uint8)
    noise = rng.normal(0, np.linspace(1, 20, width)[:, None], images.shape)
    return images, (images + noise).clip(0, 255).astype(np.uint8)


def masked_squares(images, restored):
    """(x - y)² / m of every pixel, `[N, C, H, W]`."""
    x, y = (a.transpose(0, 3, 1, 2).astype(np.float32) / 255 for a in (images, restored))
    return (x - y) ** 2 / np.stack([masking(one) for one in y])[:, None]


def test_without_registration_each_channel_has_one_variance():
    images, restored = residuals()
    variance = fit.residual_variance(images, restored, registered=False)
    expected = masked_squares(images, restored).mean((0, 2, 3))
    assert variance.dtype == np.float32
    assert variance.shape == (3, 1, 1)
    np.testing.assert_allclose(variance[:, 0, 0], expected, rtol=1e-5)


def test_with_registration_each_pixel_has_its_own_variance_shrunk_towards_the_mean():
    images, restored = residuals(count=300)
    variance = fit.residual_variance(images, restored, registered=True)
    square = masked_squares(images, restored)
    own, mean = square.mean(0), square.mean((0, 2, 3))[:, None, None]
    assert variance.shape == (3, 6, 8)
    np.testing.assert_allclose(variance, 0.75 * own + 0.25 * mean, rtol=1e-5)
    assert (np.diff(variance.mean((0, 1))) > 0).all()


def test_registration_needs_images_of_one_size():
    images = [np.zeros((4, 4, 1), np.uint8), np.zeros((5, 4, 1), np.uint8)]
    with pytest.raises(InvalidInput, match="gives images of one size; these have 2"):
        fit.residual_variance(images, images, registered=True)
    assert fit.residual_variance(images, images, registered=False).shape == (1, 1, 1)


def test_a_variance_is_never_zero():
    image = [np.zeros((4, 4, 1), np.uint8)] * 3
    for registered in (False, True):
        assert fit.residual_variance(image, image, registered).min() > 0


def test_a_registered_bundle_scores_each_pixel_by_its_own_variance(exported):
    each = exported("sigma_vae")
    bundle = fit.fit_bundle(
        each.draft,
        each.graphs,
        each.training,
        each.held_out,
        target_psnr=None,
        registered=True,
        log=lambda _: None,
    )
    assert bundle.calibration.residual_variance.shape == (1, 16, 16)
    codec, image = Codec(bundle, each.graphs), each.held_out[0]
    (restored,) = codec.decompress(codec.compress([image]))
    x, y = (a.transpose(2, 0, 1).astype(np.float32) / 255 for a in (image, restored))
    variance = bundle.calibration.residual_variance
    own = residual_map(x - y, variance, masking(y)).mean()
    mean = residual_map(x - y, variance.mean(keepdims=True), masking(y)).mean()
    assert Scorer(codec).score([image])[0].scores["residual"] == pytest.approx(own, rel=0.01)
    assert abs(own - mean) > 0.02 * own


def test_batches_keep_the_order_and_never_mix_sizes():
    sizes = [(8, 8), (8, 8), (16, 8), (8, 8), (3, 5)]
    images = [np.full((*size, 1), i, np.uint8) for i, size in enumerate(sizes)]
    found = list(batches(images, ANY_SIZE))
    assert [x.shape for x in found] == [(2, 1, 8, 8), (1, 1, 16, 8), (2, 1, 8, 8)]
    assert [int(image.max()) for x in found for image in x] == [0, 1, 2, 3, 4]


def test_batches_are_bounded():
    image = np.zeros((256, 256, 1), np.uint8)
    found = [len(x) for x in batches([image] * 10, ANY_SIZE)]
    assert found == [4, 4, 2]
