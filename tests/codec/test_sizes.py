"""Images of every size through a model of any size: exact sizes, stated limits, bounded memory."""

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from codec import Codec, Rate, Scorer
from codec.errors import InvalidInput, RecordError
from codec.graphs.tiled import TiledGraphs
from codec.record.frame import Record, pack

ROOT = Path(__file__).resolve().parents[2]
BUNDLE = ROOT / "tests/data/tiny_map_bundle"
MEASURED = """
import resource, sys
import numpy as np
from codec.bundle.bundle import load_bundle
from codec.graphs.onnx import open_graphs
from codec import Codec, Rate, Scorer

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

bundle = load_bundle(sys.argv[1])
codec = Codec(bundle, open_graphs(bundle, "cpu"))
cells = np.random.default_rng(0).integers(0, 256, (250, 313, 1), np.uint8)
image = np.kron(cells, np.ones((16, 16, 1), np.uint8))[:, :5000]
codec.decompress(codec.compress([image[:64, :64]]))
before = peak()
if sys.argv[2] == "score":
    (score,) = Scorer(codec).score([image])
    assert score.heatmap.shape == (4000, 5000)
else:
    restored = codec.decompress(codec.compress([image]))[0]
    assert restored.shape == (4000, 5000, 1)
print(peak() - before)
"""


def picture(height: int, width: int) -> np.ndarray:
    """A ramp with noise, uint8 `[H, W, 1]`."""
    noise = np.random.default_rng(height * width).integers(0, 40, (height, width))
    ramp = np.add.outer(np.arange(height), np.arange(width)) % 200
    return (noise + ramp).astype(np.uint8)[..., None]


def test_every_small_size_comes_back_as_it_was(tiny_map: Codec) -> None:
    sizes = [*itertools.product((1, 2, 7, 8, 9), (1, 3, 8, 15, 17)), (1, 999), (999, 1), (211, 307)]
    images = [picture(*size) for size in sizes]
    restored = tiny_map.decompress(tiny_map.compress(images))
    assert [image.shape for image in restored] == [(*size, 1) for size in sizes]


def test_padding_does_not_show(tiny_map: Codec) -> None:
    """What lies beyond the image never depends on anything but its edge: the record of an image
    and that of the same image with its last row and column repeated hold the same codes.
    """
    image = picture(41, 50)
    wider = np.pad(image, ((0, 7), (0, 6), (0, 0)), mode="edge")
    one, two = tiny_map.compress([image]), tiny_map.compress([wider])
    assert one[0][2:-5] == two[0][2:-5]
    restored = [tiny_map.decompress(records)[0] for records in (one, two)]
    assert (restored[0] == restored[1][:41, :50]).all()


def test_images_beyond_the_limits_are_refused_with_a_reason(tiny_map: Codec) -> None:
    large = np.broadcast_to(np.uint8(7), (8192, 4097, 1))
    with pytest.raises(InvalidInput, match="image 0: image is 8192x4097, at most 33554432 pixels"):
        tiny_map.compress([large])
    long = np.broadcast_to(np.uint8(7), (1, 16385, 1))
    with pytest.raises(InvalidInput, match=r"sides are 1\.\.16384"):
        tiny_map.compress([long])
    with pytest.raises(InvalidInput, match=r"image 0: image is 0x5; sides are 1\.\.16384"):
        tiny_map.compress([large[:0, :5]])


@pytest.mark.parametrize("size", [(8192, 4097), (16385, 1), (1, 16385)])
def test_a_record_that_claims_too_large_an_image_is_refused(
    tiny_map: Codec, size: tuple[int, int]
) -> None:
    claim = pack(Record(8, size, b"\1\2\3"), tiny_map.model_id)
    words = f"{size[0]}x{size[1]}, at most 33554432 pixels and sides of 16384 are decoded"
    with pytest.raises(RecordError, match=words):
        tiny_map.decompress([claim])


def test_an_image_of_any_size_that_is_compressed_is_scored_too(tiny_map: Codec) -> None:
    image = np.full((2049, 2048, 1), 90, np.uint8)
    image[1500:1540, 700:740] = 255
    scorer = Scorer(tiny_map)
    (score,) = scorer.score([image])
    row, column = np.unravel_index(score.heatmap.argmax(), score.heatmap.shape)
    assert score.heatmap.shape == (2049, 2048)
    assert abs(row - 1520) <= 40
    assert abs(column - 720) <= 40
    (record,) = scorer.compress_with_evidence([image], Rate(), 0.5)
    assert (record.evidence_bytes > 0) == score.anomalous


def test_the_step_across_a_seam_is_that_of_the_picture(tiny_map: Codec) -> None:
    graphs, spec = tiny_map._graphs, tiny_map.manifest.input
    small = TiledGraphs(graphs, spec, 128)
    x = np.ascontiguousarray(picture(768, 1024).transpose(2, 0, 1)[None])
    whole, tiles = (g.decode(g.encode(x)[0])[0, 0] for g in (graphs, small))
    assert np.rint(255 * np.abs(whole - tiles)).max() <= 1
    for axis, length in ((0, 768), (1, 1024)):
        steps = np.abs(np.diff(tiles, axis=axis)).mean(1 - axis)
        seams = [seam - 1 for seam in range(128, length, 128)]
        # The grid of the strides shows in every decoder; a seam must not stand out of it.
        strides = [edge - 1 for edge in range(8, length, 8) if edge % 128]
        assert steps[seams].mean() < 1.15 * steps[strides].mean()


@pytest.mark.slow
@pytest.mark.parametrize(("work", "bytes_per_pixel"), [("restore", 13), ("score", 18)])
def test_twenty_megapixels_take_a_bounded_amount_of_memory(work: str, bytes_per_pixel: int) -> None:
    """To restore: float32 pixels, the uint8 image in and out, tiles, codes; to score: the heat map
    and float64 sums of a band instead of the image out.
    """
    command = [sys.executable, "-c", MEASURED, str(BUNDLE), work]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) < bytes_per_pixel * 4000 * 5000
