import dataclasses
from pathlib import Path

import numpy as np
import pytest

from codec import Codec
from codec.bundle.bundle import load_bundle
from codec.graphs.onnx import open_graphs
from codec.images.comparison import squared_error
from codec.images.input_spec import InputSpec
from codec.priors.base import Prior
from training.evaluation.bundle import rate_distortion

DATA = Path(__file__).parents[3] / "data"


@pytest.fixture(scope="module", params=["tiny_bundle", "tiny_map_bundle"])
def bundle(request):
    return load_bundle(DATA / request.param)


@pytest.fixture(scope="module")
def codec(bundle):
    return Codec(bundle, open_graphs(bundle, "cpu", 1))


def drawn(codec, count=5):
    side = codec.manifest.input.height or 20
    rng = np.random.default_rng(3)
    ramp = np.linspace(40, 200, side).reshape(1, side, 1) + rng.normal(0, 3, (count, side, side, 1))
    return list(np.clip(ramp, 0, 255).astype(np.uint8))


def quiet(done, total):
    return


def test_sizes_and_psnr_match_the_records(codec):
    images = drawn(codec)
    facts, records = rate_distortion.compression(codec, images, 8, quiet)
    assert records == codec.compress(images, 8)
    sizes = [len(record) for record in records]
    pixels = sum(image.size for image in images)
    assert (facts.images, facts.quality, facts.bytes_max) == (5, 8, max(sizes))
    assert facts.bytes_mean == pytest.approx(np.mean(sizes))
    assert facts.ratio == pytest.approx(pixels / sum(sizes))
    assert facts.bits_per_pixel == pytest.approx(8 * sum(sizes) / pixels)
    pairs = zip(images, codec.decompress(records), strict=True)
    error = np.mean([squared_error(a, b) for a, b in pairs])
    assert facts.psnr == pytest.approx(-10 * np.log10(error))
    assert facts.encode_images_per_second > 0
    assert facts.decode_images_per_second > 0


def test_every_level_is_measured_and_finer_ones_cost_more(codec):
    calls = []
    table = rate_distortion.levels(codec, drawn(codec), lambda *progress: calls.append(progress))
    assert [facts.quality for facts in table] == list(range(17))
    assert table[-1].bytes_mean > table[0].bytes_mean
    assert calls[-1] == (17, 17)


def test_the_reference_coder_agrees_on_every_record(bundle, codec):
    _, records = rate_distortion.compression(codec, drawn(codec), 12, quiet)
    found = rate_distortion.exactness(bundle, records, quiet)
    assert (found.records, found.differences) == (5, 0)


def test_records_whose_codes_differ_are_counted(bundle, codec, monkeypatch):
    class Other(rate_distortion.ReferenceCoder):
        """A coder of other tables, as on a machine with other rounding."""

        def __init__(self, prior: Prior) -> None:
            tables = dataclasses.replace(prior.tables, low=prior.tables.low + 1)
            super().__init__(dataclasses.replace(prior, tables=tables))

    _, records = rate_distortion.compression(codec, drawn(codec), 12, quiet)
    monkeypatch.setattr(rate_distortion, "ReferenceCoder", Other)
    assert rate_distortion.exactness(bundle, records, quiet).differences == 5


def test_a_record_holds_as_many_codes_as_the_encoder_gave(bundle, codec):
    image = drawn(codec, 1)[0]
    spec, latent = bundle.manifest.input, bundle.manifest.latent
    expected = latent.dims * (1 if spec.height else 3 * 3)
    assert rate_distortion.symbols(codec.compress([image])[0], bundle) == expected


def test_chunks_hold_all_images_in_order_and_are_bounded(monkeypatch):
    monkeypatch.setattr(rate_distortion, "CHUNK_PIXELS", 10)
    monkeypatch.setattr(rate_distortion, "CHUNK_IMAGES", 3)
    images = [np.zeros((n, 1, 1), np.uint8) for n in (4, 4, 4, 30, 1, 1, 1, 1)]
    sizes = [[len(image) for image in chunk] for chunk in rate_distortion.chunks(images)]
    assert sizes == [[4, 4], [4], [30], [1, 1, 1], [1]]
    assert list(rate_distortion.chunks([])) == []


def test_a_model_that_resizes_is_judged_at_its_own_size():
    spec = InputSpec(channels=1, height=8, width=8, stride=1, fit="resize")
    image = np.zeros((30, 20, 1), np.uint8)
    assert rate_distortion.target_image(image, spec).shape == (8, 8, 1)
    kept = dataclasses.replace(spec, height=None, width=None, stride=8, fit="pad")
    assert rate_distortion.target_image(image, kept) is image
