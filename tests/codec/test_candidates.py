"""Candidates of a bundle in scores, verdicts and heat maps."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from detector_bundles import CANDIDATES, HEATMAP, write_with_detectors

from codec import Bundle, Codec, Scorer, load_bundle
from codec.bundle.npz import SCORE_NAMES, score_names
from codec.detectors import Candidate, pooled
from codec.detectors.working import stretched
from codec.graphs.onnx import open_graphs
from codec.images.files import restore_geometry
from codec.rate_control import DEFAULT_RATE
from codec.scores import scores as formulas
from codec.smoothing import smooth

Hills = Callable[[int, int, int], list[np.ndarray]]
DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory, hills: Hills) -> Bundle:
    """A bundle with candidates that takes exactly 16x16."""
    out = tmp_path_factory.mktemp("fixed") / "bundle"
    return write_with_detectors(DATA / "tiny_bundle", out, hills(40, 16, 16))


@pytest.fixture(scope="module")
def free(tmp_path_factory: pytest.TempPathFactory, hills: Hills) -> Bundle:
    """The same for images of any size."""
    out = tmp_path_factory.mktemp("free") / "bundle"
    return write_with_detectors(DATA / "tiny_map_bundle", out, hills(40, 48, 40))


def scorer_of(bundle: Bundle) -> Scorer:
    """A scorer with onnxruntime on the CPU."""
    return Scorer(Codec(bundle, open_graphs(bundle, "cpu")))


def native_maps(bundle: Bundle, image: np.ndarray) -> dict[str, np.ndarray]:
    """Residuals and structure of one image by the formulas of codec.scores.scores."""
    codec = Codec(bundle, open_graphs(bundle, "cpu"))
    (encoded,) = codec.run_encoder([image])
    level = bundle.manifest.quality_default
    (tiles,) = codec.decode([codec.quantise(encoded, level)])
    y = restore_geometry(tiles, encoded.image.size, bundle.manifest.input)
    x = image.transpose(2, 0, 1).astype(np.float32) / np.float32(255)
    variance = bundle.calibration.residual_variance.mean((1, 2), keepdims=True)
    if bundle.calibration.residual_variance.shape == x.shape:
        variance = bundle.calibration.residual_variance
    m = formulas.masking(y)
    return {
        "residual": formulas.residual_map(x - y, variance, m),
        "smoothed_residual": formulas.residual_map(smooth(x - y, 3), variance, m),
        "structure": formulas.gradient_dissimilarity(x, y),
    }


@pytest.mark.parametrize("size", [(16, 16), (48, 40), (90, 33)])
def test_every_candidate_is_its_pooled_map(
    fixed: Bundle, free: Bundle, hills: Hills, size: tuple[int, int]
) -> None:
    bundle = fixed if size == (16, 16) else free
    image = hills(3, *size)[2]
    (score,) = scorer_of(bundle).score([image])
    maps = native_maps(bundle, image)
    maps |= bundle.detectors.maps(image, list(bundle.detectors.by_name))
    assert list(score.scores)[5:] == [one.name for one in CANDIDATES]
    assert set(score.scores) == set(score_names(bundle.manifest.score))
    for one in CANDIDATES:
        scale = bundle.detectors.scales[one.map] if one.normalised else None
        expected = pooled(maps[one.map], one, scale)
        assert score.scores[one.name] == pytest.approx(expected, rel=1e-6), one.name


def test_the_verdict_fuses_candidates_and_single_scores(fixed: Bundle, hills: Hills) -> None:
    calibration, names = fixed.calibration, score_names(fixed.manifest.score)
    for score in scorer_of(fixed).score(hills(5, 16, 16)):
        expected = sum(
            (score.scores[name] - calibration.score_mean[names.index(name)])
            / calibration.score_std[names.index(name)]
            for name in fixed.manifest.score.fused
        )
        assert score.value == pytest.approx(expected)
        higher = (calibration.fused >= score.value).sum()
        assert score.p_value == (1 + higher) / (len(calibration.fused) + 1)


@pytest.mark.parametrize("size", [(16, 16), (90, 33)])
def test_the_heat_map_is_the_mean_of_the_maps_it_names(
    fixed: Bundle, free: Bundle, hills: Hills, size: tuple[int, int]
) -> None:
    bundle = fixed if size == (16, 16) else free
    image = hills(3, *size)[2]
    (score,) = scorer_of(bundle).score([image])
    maps = native_maps(bundle, image)
    maps |= bundle.detectors.maps(image, list(bundle.detectors.by_name))
    expected = np.zeros(size)
    for place, name in enumerate(HEATMAP):
        one = next(one for one in CANDIDATES if one.name == name)
        values = maps[one.map] / (bundle.detectors.scales[one.map] if one.normalised else 1)
        floor, full = bundle.detectors.floor[place], bundle.detectors.full[place]
        heat = ((smooth(values, one.window) - floor) / (full - floor)).astype(np.float32)
        if one.map in bundle.detectors.by_name:
            offset = 1.0 if one.map.startswith("cells") else 0.5
            heat = stretched(heat, offset, size, slice(0, size[0]))
        expected += heat / len(HEATMAP)
    assert score.heatmap.dtype == np.float32
    np.testing.assert_allclose(score.heatmap, expected, rtol=1e-4, atol=1e-5)


def test_scores_are_the_same_alone_and_in_any_batch(free: Bundle, hills: Hills) -> None:
    """Of detectors bit for bit; those of the residual come from graphs that run in batches."""
    images = [*hills(3, 48, 40), *hills(2, 16, 24), *hills(3, 48, 40)[:1]]
    scorer = scorer_of(free)
    detectors = [one.name for one in CANDIDATES if one.map in free.detectors.by_name]
    for image, together in zip(images, scorer.score(images), strict=True):
        (alone,) = scorer.score([image])
        assert [alone.scores[n] for n in detectors] == [together.scores[n] for n in detectors]
        assert alone.anomalous == together.anomalous
        for name in alone.scores:
            assert alone.scores[name] == pytest.approx(together.scores[name], rel=1e-4)


def test_a_large_image_in_bands_scores_as_whole(
    free: Bundle, hills: Hills, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, scorer = hills(1, 120, 64)[0], scorer_of(free)
    (whole,) = scorer.score([image])
    monkeypatch.setattr("codec.scores.bands.MAX_WHOLE_PIXELS", 1000)
    monkeypatch.setattr("codec.scores.bands.BAND_PIXELS", 64 * 32)
    (banded,) = scorer.score([image])
    assert banded.scores == pytest.approx(whole.scores, rel=1e-5)
    np.testing.assert_allclose(banded.heatmap, whole.heatmap, rtol=1e-4, atol=1e-5)


def test_a_residual_is_divided_by_the_scale_of_its_pixel(fixed: Bundle, hills: Hills) -> None:
    scale = np.random.default_rng(1).random((16, 16), dtype=np.float32) + np.float32(0.5)
    candidate = Candidate(map="residual", normalised=True, window=3)
    spec = replace(
        fixed.manifest.score, candidates=(candidate,), heatmap=(), fused=(candidate.name,)
    )
    bundle = replace(
        fixed,
        manifest=replace(fixed.manifest, score=spec),
        detectors=replace(fixed.detectors, scales={"residual": scale}),
    )
    image = hills(1, 16, 16)[0]
    (raw,) = scorer_of(bundle).raw_scores([image])
    expected = math.log(smooth(native_maps(bundle, image)["residual"] / scale, 3).max())
    assert raw.scores[candidate.name] == pytest.approx(expected, rel=1e-5)


def test_bundles_without_candidates_have_the_five_scores(tiny: Codec, hills: Hills) -> None:
    (score,) = Scorer(tiny).score(hills(1, 16, 16))
    assert set(score.scores) == set(SCORE_NAMES)


def test_records_do_not_depend_on_candidates(fixed: Bundle, tiny: Codec, hills: Hills) -> None:
    images = hills(4, 16, 16)
    scorer = scorer_of(fixed)
    plain = tiny.compress(images)
    assert Codec(fixed, open_graphs(fixed, "cpu")).compress(images) == plain
    assert [one.record_bytes for one in scorer.score(images)] == [len(r) for r in plain]


def test_evidence_follows_the_heat_map_of_the_candidates(free: Bundle, hills: Hills) -> None:
    image = hills(1, 64, 64)[0].copy()
    image[40:46, 10:16] = 255 - image[40:46, 10:16]
    scorer = scorer_of(free)
    (plain,) = scorer.compress_with_evidence([image], DEFAULT_RATE, 0.9999)
    restored = Codec(free, open_graphs(free, "cpu")).restore([plain.record])
    assert plain.evidence_bytes > 0
    assert restored[0].regions


def test_regions_have_p_values_among_the_peaks_of_normal_images(
    fixed: Bundle, hills: Hills
) -> None:
    peaks = fixed.calibration.heatmap_peaks
    for score in scorer_of(fixed).score(hills(30, 16, 16), 0.2):
        assert bool(score.regions) == score.anomalous
        for region in score.regions:
            assert region.value == score.heatmap[region.box.slices].max()
            assert region.p_value == (1 + (peaks >= region.value).sum()) / (len(peaks) + 1)


def test_a_written_bundle_loads_from_a_tar_too(fixed: Bundle, tmp_path: Path, hills: Hills) -> None:
    write_with_detectors(DATA / "tiny_bundle", tmp_path / "b.tar", hills(40, 16, 16))
    again = load_bundle(tmp_path / "b.tar")
    assert again.manifest == fixed.manifest
