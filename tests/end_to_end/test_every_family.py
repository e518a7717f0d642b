"""Every family goes the whole way: train, export, compress, decompress, score."""

from __future__ import annotations

from typing import NamedTuple, get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from codec import Codec, Scorer
from codec.arrays import I32, U8
from codec.bundle.bundle import Bundle, load_bundle
from codec.errors import RecordError
from codec.graphs.onnx import OnnxGraphs, open_graphs
from codec.images.files import prepare, restore_geometry, to_pixels
from codec.quantise import dequantise, quantise
from codec.record.frame import unpack
from codec.reference.range_coder import ReferenceCoder
from exporter.export import export
from exporter.options import Options
from training.__main__ import main as train
from training.config.model import Family
from training.models import IndexModel, Model
from training.run.checkpoint import load_run

pytestmark = pytest.mark.slow

SHORT = "--epochs 1 --batch-size 8 --validation-fraction 0.4 --threads 1 --device cpu --lr 0.003"
FIXED = "--crop 0 --model.height 16 --model.width 16 --model.channels 1 --epoch-steps 0"
ANY = "--crop 16 --epoch-steps 5 --model.channels 3"
VECTOR = f"{FIXED} --model.widths 4 8 --model.latent 3 --model.depth 0"
MAP = "--model.widths 4 8 --model.latent 3 --lr-warmup-steps 0"
BOOK = f"{MAP} --model.codebook 8"
RATES = "--model.rate-aware --sigma fixed --fixed-variance 0.01 --octaves -1 2"
FAMILIES = {
    "reslag-light": f"sigma-vae --model.family reslag --model.side light {VECTOR}",
    "reslag-original": f"sigma-vae --model.family reslag --model.side original {VECTOR}",
    "sigma_vae": f"sigma-vae {VECTOR}",
    "autoencoder": "sigma-vae --model.family autoencoder --distortion squared "
    f"--regulariser none {VECTOR}",
    "linear": f"sigma-vae --model.family linear {VECTOR}",
    "pca_vae": f"sigma-vae --model.family pca_vae {VECTOR}",
    "sigma_vae_map": f"sigma-vae-map {FIXED} {MAP}",
    "pca_vae_map": f"sigma-vae-map --model.family pca_vae_map {ANY} {MAP}",
    "sigma_vae-rates": f"sigma-vae {VECTOR} {RATES}",
    "pca_vae_map-rates": f"sigma-vae-map --model.family pca_vae_map {ANY} {MAP} {RATES}",
    "vq_vae-average": f"vq-vae {FIXED} {BOOK}",
    "vq_vae-loss": f"vq-vae --codebook-update loss {FIXED} {BOOK}",
    "vq_vae_2": f"vq-vae --model.family vq_vae_2 {FIXED} {BOOK}",
    "fsq": f"vq-vae --model.family fsq --model.levels 5 4 3 {ANY} {MAP}",
}


class Chain(NamedTuple):
    """A family after training and export, and images that it has never seen."""

    network: Model
    bundle: Bundle
    graphs: OnnxGraphs
    codec: Codec
    images: list[U8]

    def codes(self, image: U8) -> I32:
        """What the encoder's graph says of one image: codes `[1, D, h, w]` of the default level."""
        manifest = self.bundle.manifest
        first = self.graphs.encode(prepare(image, manifest.input).tiles)[0]
        if manifest.latent.kind == "gaussian":
            first = quantise(first, self.bundle.steps[manifest.quality_default])
        return first.reshape(*first.shape, *[1] * (4 - first.ndim))

    @torch.no_grad()
    def restored(self, codes: I32) -> NDArray[np.float32]:
        """What the trained network itself makes of codes: x_hat `[1, C, H, W]`."""
        if isinstance(self.network, IndexModel):
            return self.network.decode_indices(torch.from_numpy(codes).long()).numpy()
        return self.network.decode_latent(torch.from_numpy(self.latent(codes))).numpy()

    def latent(self, codes: I32) -> NDArray[np.float32]:
        """What the decoder's graph takes."""
        manifest = self.bundle.manifest
        if manifest.latent.kind == "indices":
            return codes
        z = dequantise(codes, self.bundle.steps[manifest.quality_default])
        if manifest.latent.rate_aware:  # the default level is the one without octaves
            z = np.concatenate([z, np.zeros_like(z[:, :1])], axis=1)
        return z[:, :, 0, 0] if manifest.latent.grid == (1, 1) else z


def picture(seed: int, height: int, width: int, channels: int) -> U8:
    """A disc on a slope, with a little noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    disc = np.hypot(y - rng.uniform(2, height - 2), x - rng.uniform(2, width - 2)) < 4
    plain = 40 + rng.uniform(1, 6) * x + 110.0 * disc
    tinted = plain[..., None] * rng.uniform(0.6, 1.0, channels)
    return np.clip(tinted + rng.normal(0, 2, tinted.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module", params=FAMILIES)
def chain(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    shared_onnx_registry: None,
) -> Chain:
    """One family, trained by the command for a few steps and exported."""
    folder, words = tmp_path_factory.mktemp(request.param), FAMILIES[request.param].split()
    channels, free = (3, True) if ANY in FAMILIES[request.param] else (1, False)
    (folder / "data").mkdir()
    for i in range(60):
        pixels = picture(i, 16, 16, channels)
        shown = pixels if channels == 3 else pixels[..., 0]
        Image.fromarray(shown).save(folder / "data" / f"{i:02d}.png")
    run = folder / "run"
    folders = [f"--data={folder / 'data'}", f"--out={run}"]
    assert train([*words, *folders, *SHORT.split()]) == 0
    export(run, folder / "bundle", folder / "data", Options(), lambda _: None)
    bundle = load_bundle(folder / "bundle")
    graphs = open_graphs(bundle, "cpu")
    sizes = [(17, 25), (16, 16), (8, 40), (17, 25)] if free else [(16, 16)] * 4
    images = [picture(1000 + i, *size, channels) for i, size in enumerate(sizes)]
    return Chain(load_run(run)[1], bundle, graphs, Codec(bundle, graphs), images)


def test_no_family_is_left_out() -> None:
    assert {words.split("-")[0] for words in FAMILIES} == set(get_args(Family))


def test_the_bundle_is_that_of_the_trained_network(chain: Chain) -> None:
    manifest, config = chain.bundle.manifest, chain.network.config
    assert manifest.family == config.family
    assert (manifest.latent.kind == "indices") == isinstance(chain.network, IndexModel)
    assert manifest.provenance["parity"]["equal_codes"] >= 0.99
    for image in chain.images:
        _, dims, *grid = chain.codes(image).shape
        assert dims == manifest.latent.dims
        assert manifest.latent.grid in (None, tuple(grid))


def test_a_record_holds_exactly_the_codes_of_its_image(chain: Chain) -> None:
    """Read back by the reference coder, which shares no arithmetic with the one that wrote it."""
    manifest = chain.bundle.manifest
    level = manifest.quality_default
    reference = ReferenceCoder(chain.bundle.priors[level])
    for image, record in zip(chain.images, chain.codec.compress(chain.images), strict=True):
        codes = chain.codes(image)
        payload = unpack(record, chain.bundle.model_id, sized=manifest.input.sized).payload
        np.testing.assert_array_equal(reference.decode(payload, codes.shape), codes)


def test_a_restored_image_is_the_networks_output_for_its_codes(chain: Chain) -> None:
    spec = chain.bundle.manifest.input
    restored = chain.codec.decompress(chain.codec.compress(chain.images))
    for image, found in zip(chain.images, restored, strict=True):
        codes = chain.codes(image)
        expected = chain.restored(codes)
        assert 0 <= expected.min() <= expected.max() <= 1
        x_hat = chain.graphs.decode(chain.latent(codes))
        np.testing.assert_allclose(x_hat, expected, atol=1e-3)
        pixels = to_pixels(restore_geometry(expected, prepare(image, spec).size, spec))
        assert found.shape == image.shape
        assert np.abs(found.astype(int) - pixels).max() <= 1


def test_a_damaged_record_is_rejected(chain: Chain) -> None:
    record = chain.codec.compress(chain.images[:1])[0]
    for at in range(len(record)):
        damaged = bytearray(record)
        damaged[at] ^= 1 << at % 8
        with pytest.raises(RecordError):
            chain.codec.decompress([bytes(damaged)])
    with pytest.raises(RecordError):
        chain.codec.decompress([record[:-1]])


def test_a_score_is_finite_and_its_p_value_a_rank_among_normal_images(chain: Chain) -> None:
    prior = chain.bundle.priors[chain.bundle.manifest.quality_default]
    n = Scorer(chain.codec).calibration_images
    for score, image in zip(Scorer(chain.codec).score(chain.images), chain.images, strict=True):
        assert np.isfinite([score.value, *score.scores.values()]).all()
        assert 0 < score.p_value <= 1
        assert score.p_value * (n + 1) == pytest.approx(round(score.p_value * (n + 1)))
        assert score.scores["rate"] == pytest.approx(prior.bits(chain.codes(image)).sum())
        assert score.heatmap.shape == image.shape[:2]
        assert np.isfinite(score.heatmap).all()
        assert score.record_bytes == len(chain.codec.compress([image])[0])
