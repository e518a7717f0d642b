"""Large images, computed in tiles."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codec import Codec
from codec.bundle.bundle import load_bundle
from codec.errors import BundleError
from codec.graphs.onnx import OnnxGraphs, open_graphs
from codec.graphs.tiled import DEFAULT_MARGIN, TiledGraphs, pieces, tiled
from codec.images.input_spec import InputSpec

shared = settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
STRIDE = 8
RADIUS = 104


class Counting:
    """Real graphs that count their calls: the sizes of the inputs, in cells."""

    def __init__(self, graphs: OnnxGraphs) -> None:
        self.graphs = graphs
        self.encoded: list[tuple[int, int]] = []
        self.decoded: list[tuple[int, int]] = []

    def encode(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As OnnxGraphs."""
        self.encoded.append((x.shape[2] // STRIDE, x.shape[3] // STRIDE))
        return self.graphs.encode(x)

    def decode(self, latent: np.ndarray) -> np.ndarray:
        """As OnnxGraphs."""
        self.decoded.append((latent.shape[2], latent.shape[3]))
        return self.graphs.decode(latent)


@pytest.fixture(scope="module")
def spec() -> InputSpec:
    """The input of the tiny convolutional model."""
    return load_bundle(Path(__file__).parents[2] / "data" / "tiny_map_bundle").manifest.input


@pytest.fixture
def counting(tiny_map_path: Path) -> Counting:
    """The graphs of the tiny convolutional model."""
    return Counting(open_graphs(load_bundle(tiny_map_path), "cpu"))


@pytest.fixture(scope="module")
def tiny_map_path() -> Path:
    """Folder of the convolutional bundle."""
    return Path(__file__).parents[2] / "data" / "tiny_map_bundle"


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Edges at every scale and noise, uint8 `[H, W, 1]`: sums of random half-planes."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / max(height, width)
    image = rng.normal(128, 6, (height, width))
    for _ in range(40):
        angle, offset = rng.uniform(0, 2 * np.pi), rng.uniform(-1, 1)
        image += rng.normal(0, 18) * (np.cos(angle) * x + np.sin(angle) * y > offset)
    return np.clip(image, 0, 255).astype(np.uint8)[..., None]


def tiles(image: np.ndarray) -> np.ndarray:
    """`[1, 1, H, W]`, sides cut to multiples of the stride."""
    height, width = (side // STRIDE * STRIDE for side in image.shape[:2])
    return np.ascontiguousarray(image[:height, :width].transpose(2, 0, 1)[None])


@given(st.integers(1, 3000), st.integers(1, 200), st.integers(0, 60))
def test_pieces_keep_every_cell_once_with_a_margin_or_the_border(
    cells: int, core: int, margin: int
) -> None:
    parts = pieces(cells, core, margin)
    kept = [cell for piece in parts for cell in range(piece.first, piece.last)]
    assert kept == list(range(cells))
    for piece in parts:
        assert piece.start == 0 or piece.first - piece.start == margin
        assert piece.stop == cells or piece.stop - piece.last == margin
        assert 0 <= piece.start <= piece.first < piece.last <= piece.stop <= cells
        assert piece.stop - piece.start <= core + 2 * margin


def test_an_axis_no_larger_than_a_tile_and_its_margins_is_not_cut() -> None:
    assert len(pieces(154, 128, 13)) == 1
    assert len(pieces(155, 128, 13)) == 2


@shared
@given(
    st.tuples(st.integers(8, 700), st.integers(8, 700)),
    st.integers(1, 300),
    st.integers(0, 2**32 - 1),
)
def test_tiles_give_the_codes_and_the_pixels_of_the_whole(
    spec: InputSpec, counting: Counting, size: tuple[int, int], side: int, seed: int
) -> None:
    graphs, x = TiledGraphs(counting, spec, max(side, 24)), tiles(picture(*size, seed=seed))
    for whole, parts in zip(counting.graphs.encode(x), graphs.encode(x), strict=True):
        assert parts.dtype == whole.dtype
        np.testing.assert_allclose(parts, whole, atol=1e-5)
    latent = np.random.default_rng(seed).normal(0, 2, (1, 4, *(s // STRIDE for s in x.shape[2:])))
    latent = latent.astype(np.float32)
    np.testing.assert_allclose(graphs.decode(latent), counting.graphs.decode(latent), atol=1e-5)


def test_without_the_margin_there_would_be_seams(counting: Counting, spec: InputSpec) -> None:
    """So that the test above has something to find, and the manifest something to say."""
    x = tiles(picture(600, 600))
    whole = counting.graphs.encode(x)[0]
    latent = counting.graphs.decode(whole)
    short = TiledGraphs(counting, replace(spec, reach=0), 200)
    assert np.abs(short.encode(x)[0] - whole).max() > 0.05
    assert np.abs(short.decode(whole) - latent).max() > 0.01


def test_no_tile_is_larger_than_its_core_and_two_margins(
    counting: Counting, spec: InputSpec
) -> None:
    side, margin = 80, RADIUS // STRIDE
    assert spec.reach == RADIUS
    graphs, x = TiledGraphs(counting, spec, side), tiles(picture(808, 1000))
    graphs.decode(graphs.encode(x)[0])
    most = side // STRIDE + 2 * margin
    assert len(counting.encoded) == len(counting.decoded) == 11 * 13
    assert max(map(max, counting.encoded + counting.decoded)) == most


def test_a_radius_that_was_not_measured_is_assumed_to_be_large(
    counting: Counting, spec: InputSpec
) -> None:
    graphs, x = TiledGraphs(counting, replace(spec, reach=None), 80), tiles(picture(1000, 64))
    assert (graphs.encode(x)[0] == counting.graphs.encode(x)[0]).all()
    assert max(counting.encoded[:-1])[0] == 80 // STRIDE + 2 * DEFAULT_MARGIN


def test_an_image_of_one_tile_is_one_call_and_the_same_bytes(
    counting: Counting, spec: InputSpec
) -> None:
    graphs, x = TiledGraphs(counting, spec), tiles(picture(1024 + 2 * RADIUS, 64))
    assert all(
        (a == b).all() for a, b in zip(graphs.encode(x), counting.graphs.encode(x), strict=True)
    )
    assert len(counting.encoded) == 1


def test_the_images_of_a_batch_are_cut_in_the_same_way(counting: Counting, spec: InputSpec) -> None:
    x = np.concatenate([tiles(picture(400, 330, seed)) for seed in range(3)])
    parts = TiledGraphs(counting, spec, 64).encode(x)[0]
    np.testing.assert_allclose(parts, counting.graphs.encode(x)[0], atol=1e-5)


def test_models_of_a_fixed_size_are_left_alone(counting: Counting) -> None:
    fixed = InputSpec(channels=1, height=16, width=16, stride=1, fit="exact")
    assert tiled(counting, fixed) is counting


def test_a_wrong_stride_in_the_manifest_is_an_error(counting: Counting, spec: InputSpec) -> None:
    graphs = TiledGraphs(counting, replace(spec, stride=16), 64)
    with pytest.raises(BundleError, match="the stride in the manifest is wrong"):
        graphs.encode(tiles(picture(640, 640)))


def test_the_codec_uses_tiles_and_its_records_are_those_of_the_whole(
    tiny_map_path: Path, counting: Counting
) -> None:
    """Each side alone is enough to be cut; the record says nothing of tiles."""
    bundle = load_bundle(tiny_map_path)
    images = [picture(1301, 90, 1), picture(75, 1700, 2)]
    codec, whole = Codec(bundle, counting), Codec(bundle, counting.graphs)
    whole._graphs = counting.graphs  # no tiles at all
    records = codec.compress(images)
    assert len(counting.encoded) == 2 + 2
    assert records == whole.compress(images)
    for a, b in zip(codec.decompress(records), whole.decompress(records), strict=True):
        assert a.shape == b.shape
        assert np.abs(a.astype(int) - b).max() <= 1
