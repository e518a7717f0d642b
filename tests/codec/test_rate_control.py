"""The search for a quality level, on arbitrary sizes and errors, and on two tiny real models."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec import Codec
from codec.bundle.bundle import Bundle
from codec.errors import InvalidInput
from codec.graphs.onnx import open_graphs
from codec.images.comparison import psnr, squared_error
from codec.rate_control import (
    Rate,
    coarsest_reaching,
    finest_fitting,
    level_by_ideal_bytes,
    level_by_psnr,
    level_by_record_bytes,
)

LEVELS = 17
sizes = st.lists(st.integers(2, 60), min_size=LEVELS, max_size=LEVELS)


def searched(plan, values):
    """The values at the levels that `plan` names one after the other, by level."""
    tried = {}
    while (level := plan(tried)) is not None:
        assert level not in tried
        tried[level] = values[level]
    return tried


def records_tried(row, guesses, target):
    """Ideal sizes and records at the levels that a search for `target` bytes tries."""
    levels, records = len(row), [bytes(size) for size in row]
    ideal = searched(lambda tried: level_by_ideal_bytes(tried, target, levels), guesses)
    written = searched(lambda tried: level_by_record_bytes(tried, ideal, target, levels), records)
    return ideal, written


def psnrs_tried(row, target):
    """PSNRs at the levels that a search for `target` dB tries."""
    return searched(lambda tried: level_by_psnr(tried, target, len(row)), row)


@given(row=sizes, target=st.integers(1, 62), guesses=sizes)
def test_a_record_is_never_above_its_target_and_the_next_level_is(row, target, guesses):
    """However wrong the guesses are, and however the lengths jump."""
    _, written = records_tried(row, guesses, target)
    if any(size <= target for size in row):
        level = finest_fitting(written, target)
        assert len(written[level]) == row[level] <= target
        assert level == LEVELS - 1 or row[level + 1] > target
    else:
        with pytest.raises(
            InvalidInput, match=f"smallest record of this image has {min(row)} bytes"
        ):
            finest_fitting(written, target)


@given(row=sizes, target=st.integers(1, 62))
def test_a_psnr_is_reached_and_the_next_coarser_level_misses_it(row, target):
    reached = psnrs_tried(row, target)
    if any(value >= target for value in row):
        level = coarsest_reaching(reached, target)
        assert row[level] >= target
        assert level == 0 or row[level - 1] < target
    else:
        with pytest.raises(InvalidInput, match=f"best PSNR of this image is {max(row)}.00 dB"):
            coarsest_reaching(reached, target)


@given(row=sizes.map(sorted), target=st.integers(2, 62))
def test_lengths_that_grow_as_guessed_are_found_in_five_rounds_and_coded_twice(row, target):
    row = [2, *row[1:]]
    ideal, written = records_tried(row, row, target)
    assert len(ideal) <= 5
    assert len(written) <= 2


@pytest.mark.parametrize("target", [10, 24.5, 41])
def test_errors_that_fall_are_found_in_five_rounds_of_decoding(target):
    reached = psnrs_tried([10.0 + 2 * level for level in range(LEVELS)], target)
    assert coarsest_reaching(reached, target) == int(np.ceil((target - 10) / 2))
    assert len(reached) <= 5


def test_a_model_with_one_level_serves_or_refuses():
    _, written = records_tried([9], [8.0], 9)
    assert finest_fitting(written, 9) == 0
    _, written = records_tried([9], [8.0], 8)
    with pytest.raises(InvalidInput, match="record of this image has 9 bytes, at quality 0"):
        finest_fitting(written, 8)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"quality": 3, "target_bytes": 40}, "quality and target_bytes are given"),
        ({"target_psnr": 30.0, "target_bytes": 40}, "target_bytes and target_psnr are given"),
        ({"target_bytes": 0}, "target_bytes is 0"),
        ({"target_psnr": 0.0}, "target_psnr is 0.0"),
        ({"target_psnr": float("nan")}, "target_psnr is nan"),
        ({"target_psnr": float("inf")}, "target_psnr is inf"),
    ],
)
def test_an_impossible_rate_is_refused(fields, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        Rate(**fields)


def waves(count: int, height: int, width: int, seed: int = 0) -> list[np.ndarray]:
    """Gray images from smooth to busy."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width][..., None]
    slopes = np.linspace(0.05, 1.5, count)
    phases = rng.uniform(0, 6, count)
    return [
        (127.5 + 120 * np.sin(p + s * rows) * np.cos(p - s * columns)).astype(np.uint8)
        for p, s in zip(phases, slopes, strict=True)
    ]


class CountedGraphs:
    """Real graphs that count the images through each."""

    def __init__(self, graphs):
        self.graphs, self.encoded, self.decoded = graphs, 0, 0

    def encode(self, x):
        self.encoded += len(x)
        return self.graphs.encode(x)

    def decode(self, latent):
        self.decoded += len(latent)
        return self.graphs.decode(latent)


@pytest.fixture(params=["tiny", "tiny_map"])
def codec_and_images(request) -> tuple[Codec, list[np.ndarray]]:
    """A real codec and images for it; of several sizes where it takes any."""
    codec = request.getfixturevalue(request.param)
    if request.param == "tiny":
        return codec, waves(12, 16, 16)
    return codec, [*waves(4, 24, 40), *waves(4, 16, 16, seed=1)]


def at_all_levels(codec: Codec, images: list[np.ndarray]) -> list[list[bytes]]:
    """Records `[image][level]`."""
    levels = [codec.compress(images, level) for level in range(codec.manifest.quality_levels)]
    return [list(records) for records in zip(*levels, strict=True)]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 1.0])
def test_target_bytes_of_a_real_model_hold_against_all_levels(codec_and_images, share) -> None:
    codec, images = codec_and_images
    table = at_all_levels(codec, images)
    smallest = max(min(map(len, row)) for row in table)
    target = round(smallest + share * (max(len(row[-1]) for row in table) - smallest))
    compressed = codec.compress_at(images, Rate(target_bytes=target))
    for one, row in zip(compressed, table, strict=True):
        assert one.record == row[one.quality]
        assert len(one.record) <= target
        assert one.quality == LEVELS - 1 or len(row[one.quality + 1]) > target
    if smallest > 3:
        with pytest.raises(
            InvalidInput, match=rf"smallest record of this image has {smallest} bytes"
        ):
            codec.compress_at(images, Rate(target_bytes=smallest - 1))


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_target_psnr_of_a_real_model_holds_against_all_levels(codec_and_images, share) -> None:
    codec, images = codec_and_images
    table = at_all_levels(codec, images)
    reached = [
        [psnr(squared_error(image, back)) for back in codec.decompress(row)]
        for image, row in zip(images, table, strict=True)
    ]
    low, high = min(map(min, reached)), min(map(max, reached))
    target = low + share * (high - low)
    compressed = codec.compress_at(images, Rate(target_psnr=target))
    for one, row, values in zip(compressed, table, reached, strict=True):
        assert one.record == row[one.quality]
        assert values[one.quality] >= target
        assert one.quality == 0 or values[one.quality - 1] < target
    with pytest.raises(InvalidInput, match=rf"the best PSNR of this image is {high:.2f} dB"):
        codec.compress_at(images, Rate(target_psnr=high + 1e-6))


@pytest.mark.parametrize("rate", [Rate(target_bytes=40), Rate(target_psnr=20.0)])
def test_no_images_need_no_search(tiny: Codec, rate: Rate) -> None:
    assert tiny.compress_at([], rate) == []


def test_a_refusal_names_the_image(tiny: Codec) -> None:
    images = [np.full((16, 16, 1), 90, np.uint8), *waves(2, 16, 16)[1:]]
    assert len(tiny.compress_at(images[:1], Rate(target_psnr=35.0))) == 1
    with pytest.raises(
        InvalidInput, match=r"^image 1: the best PSNR of this image is .*; target_psnr is 35 dB"
    ):
        tiny.compress_at(images, Rate(target_psnr=35.0))


@pytest.mark.parametrize("rate", [Rate(target_bytes=12), Rate(target_psnr=12.0)])
def test_the_encoder_runs_once_whatever_is_asked_for(bundle: Bundle, rate: Rate) -> None:
    graphs = CountedGraphs(open_graphs(bundle, "cpu"))
    images = [np.full((16, 16, 1), value, np.uint8) for value in (60, 90, 120)]
    Codec(bundle, graphs).compress_at(images, rate)
    assert graphs.encoded == len(images)
    assert graphs.decoded <= 5 * len(images) * (rate.target_psnr is not None)


def test_one_model_covers_a_range_of_four_in_bytes(tiny_map: Codec) -> None:
    images = waves(6, 64, 64)
    coarse, fine = (sum(map(len, tiny_map.compress(images, level))) for level in (0, 16))
    assert fine >= 4 * coarse


def test_an_impossible_level_is_refused_with_the_range_of_levels(tiny: Codec) -> None:
    with pytest.raises(InvalidInput, match=r"^quality is 17, the model has levels 0\.\.16"):
        tiny.compress_at(waves(1, 16, 16), Rate(quality=17))
