"""The third graph of a bundle: padding, tiles, batches, and bundles without one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import signal
from segmenter_graphs import (
    DILATION,
    REACH,
    TAPS,
    segmenter_graph,
    taps,
    write_with_segmenter,
)

from codec import Bundle, Codec, Scorer, load_bundle
from codec.bundle.bundle import SEGMENTER
from codec.detectors import Candidate
from codec.errors import BundleError
from codec.graphs import segmenter
from codec.graphs.onnx import OnnxGraphs, open_graphs
from codec.graphs.tiled import TiledGraphs
from codec.warm_up import warm_up

DATA = Path(__file__).parents[2] / "data"
PEAK = Candidate(map="segmenter", window=3)
MEAN = Candidate(map="segmenter", statistic="mean")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The convolutional bundle with a segmenter."""
    out = tmp_path_factory.mktemp("bundles") / "new"
    return write_with_segmenter(DATA / "tiny_map_bundle", out, (PEAK, MEAN))


@pytest.fixture(scope="module")
def graphs(bundle: Bundle) -> OnnxGraphs:
    """Its graphs."""
    return open_graphs(bundle, "cpu")


def draw(count: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 1, height, width), np.uint8)


def reference(x: np.ndarray) -> np.ndarray:
    """The logits in float64 by scipy, with edges repeated up to multiples of 16."""
    wide = np.pad(x / 255.0, ((0, 0), (0, 0), *((0, -s % 16) for s in x.shape[2:])), mode="edge")
    kernel = np.zeros((2 * REACH + 1, 2 * REACH + 1))
    kernel[::DILATION, ::DILATION] = taps()[0, 0]
    found = [signal.correlate(one[0], kernel, "same", "fft") for one in wide]
    return np.stack(found)[:, : x.shape[2], : x.shape[3]] - 2


@pytest.mark.parametrize("size", [(16, 16), (1, 1), (33, 50), (300, 90)])
def test_images_of_any_size_get_a_logit_for_each_pixel(graphs, size) -> None:
    x = draw(2, *size)
    found = segmenter.segment(graphs, x)
    assert found.shape == (2, *size)
    np.testing.assert_allclose(found, reference(x), atol=1e-4)


@pytest.mark.parametrize(
    ("side", "size"), [(16, (600, 20)), (64, (33, 700)), (100, (400, 380)), (160, (450, 430))]
)
def test_tiles_give_the_logits_of_the_whole(graphs, side, size) -> None:
    x = draw(1, *size)
    whole = segmenter.segment(graphs, x, side=1024)
    np.testing.assert_allclose(segmenter.segment(graphs, x, side), whole, atol=1e-4)


def test_no_tile_is_larger_than_its_core_and_two_margins() -> None:
    shapes = []

    class Watched:
        @staticmethod
        def segment(x):
            shapes.append(x.shape[2:])
            return np.zeros((len(x), *x.shape[2:]), np.float32)

    segmenter.segment(Watched(), draw(1, 640, 400), side=64)
    assert len(shapes) == 10 * 7
    assert max(map(max, shapes)) == 64 + 2 * segmenter.REACH


def test_without_the_margins_there_would_be_seams(graphs, monkeypatch) -> None:
    x = draw(1, 600, 600)
    whole = segmenter.segment(graphs, x)
    monkeypatch.setattr(segmenter, "REACH", 96)
    assert np.abs(segmenter.segment(graphs, x, side=64) - whole).max() > 0.01
    assert REACH == (TAPS // 2) * DILATION == 112


def test_an_image_has_the_same_logits_alone_and_in_a_batch(graphs) -> None:
    x = draw(5, 48, 72)
    together = segmenter.segment(graphs, x)
    for i in range(5):
        alone = segmenter.segment(graphs, x[i : i + 1])
        np.testing.assert_array_equal(alone[0], together[i])


def test_the_codec_segments_images_of_several_sizes_at_once(bundle, graphs) -> None:
    codec = Codec(bundle, graphs)
    rng = np.random.default_rng(1)
    images = [rng.integers(0, 256, (*s, 1), np.uint8) for s in ((40, 33), (64, 64), (40, 33))]
    encoded = codec.run_encoder(images)
    for image, one, found in zip(images, encoded, codec.segment(encoded), strict=True):
        assert found.shape == image.shape[:2]
        expected = reference(one.image.tiles)[0, : image.shape[0], : image.shape[1]]
        np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("fit", ["exact", "tile"])
def test_tiles_of_a_model_of_fixed_size_are_joined(tmp_path, fit) -> None:
    bundle = write_with_segmenter(DATA / "tiny_bundle", tmp_path / "new", (PEAK,))
    spec = replace(bundle.manifest.input, fit=fit)
    bundle = replace(bundle, manifest=replace(bundle.manifest, input=spec))
    codec = Codec(bundle, open_graphs(bundle, "cpu"))
    size = (16, 16) if fit == "exact" else (30, 40)
    image = np.random.default_rng(0).integers(0, 256, (*size, 1), np.uint8)
    encoded = codec.run_encoder([image])
    found = codec.segment(encoded)[0]
    assert found.shape == size
    expected = reference(encoded[0].image.tiles)
    np.testing.assert_allclose(found[:16, :16], expected[0], atol=1e-4)


def test_the_map_is_minus_ln_of_the_probability_of_a_normal_pixel(bundle, graphs) -> None:
    codec = Codec(bundle, graphs)
    image = np.random.default_rng(2).integers(0, 256, (40, 56, 1), np.uint8)
    logits = codec.segment(codec.run_encoder([image]))[0].astype(np.float64)
    nats = -np.log1p(-1 / (1 + np.exp(-logits)))
    scores = next(Scorer(codec).raw_scores([image])).scores
    assert scores[MEAN.name] == pytest.approx(np.log(nats.mean()), abs=1e-4)
    wide = np.pad(nats, 2, mode="edge")
    once = sum(wide[i : i + 42, j : j + 58] for i in range(3) for j in range(3)) / 9
    once = np.pad(once[1:-1, 1:-1], 1, mode="edge")
    twice = sum(once[i : i + 40, j : j + 56] for i in range(3) for j in range(3)) / 9
    assert scores[PEAK.name] == pytest.approx(np.log(twice.max()), abs=1e-3)


def test_a_large_image_is_scored_in_bands_like_a_small_one(bundle, graphs, monkeypatch) -> None:
    scorer = Scorer(Codec(bundle, graphs))
    image = np.random.default_rng(3).integers(0, 256, (300, 64, 1), np.uint8)
    whole = next(scorer.raw_scores([image])).scores
    monkeypatch.setattr("codec.scores.bands.MAX_WHOLE_PIXELS", 1000)
    monkeypatch.setattr("codec.scores.bands.BAND_PIXELS", 2048)
    banded = next(scorer.raw_scores([image])).scores
    for name in (PEAK.name, MEAN.name):
        assert banded[name] == pytest.approx(whole[name], abs=1e-6)


def test_records_and_their_model_do_not_depend_on_a_segmenter(bundle, graphs) -> None:
    plain = load_bundle(DATA / "tiny_map_bundle")
    assert plain.segmenter is None
    assert bundle.model_id == plain.model_id
    image = np.random.default_rng(4).integers(0, 256, (40, 56, 1), np.uint8)

    class Forbidden:
        encode, decode = graphs.encode, graphs.decode

    codec = Codec(bundle, Forbidden())
    records = codec.compress([image])
    assert records == Codec(plain, open_graphs(plain, "cpu")).compress([image])
    codec.decompress(records)
    with pytest.raises(AttributeError):
        Scorer(codec).score([image])


def test_a_bundle_with_a_segmenter_warms_up(bundle, graphs) -> None:
    warm_up(Codec(bundle, graphs))


def test_a_damaged_segmenter_is_refused(bundle, tmp_path) -> None:
    write_with_segmenter(DATA / "tiny_map_bundle", tmp_path / "new", (PEAK,))
    path = tmp_path / "new" / SEGMENTER
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(BundleError, match=r"segmenter\.onnx is damaged"):
        load_bundle(tmp_path / "new")
    path.unlink()
    with pytest.raises(BundleError, match=r"segmenter\.onnx is missing"):
        load_bundle(tmp_path / "new")


def test_graphs_without_a_segmenter_say_so() -> None:
    plain = load_bundle(DATA / "tiny_map_bundle")
    opened = open_graphs(plain, "cpu")
    with pytest.raises(BundleError, match=r"the bundle has no segmenter\.onnx"):
        segmenter.segment(TiledGraphs(opened, plain.manifest.input), draw(1, 16, 16))


@pytest.mark.parametrize(
    ("graph", "complaint"),
    [
        (b"nothing", r"segmenter\.onnx cannot be run on cpu"),
        (segmenter_graph(output="map"), r"segmenter\.onnx maps .* to \['map'\], expected"),
    ],
)
def test_a_graph_that_is_no_segmenter_is_refused(bundle, graph, complaint) -> None:
    with pytest.raises(BundleError, match=complaint):
        open_graphs(replace(bundle, segmenter=graph), "cpu")


def test_logits_of_another_size_are_an_error(bundle) -> None:
    wrong = open_graphs(replace(bundle, segmenter=segmenter_graph(extra=1)), "cpu")
    with pytest.raises(BundleError, match=r"gives \[1, 31, 16\], expected \[1, 32, 16\]"):
        segmenter.segment(wrong, draw(1, 30, 16))
