"""The search for a level, on sizes and errors that follow no rule, and on two tiny real models."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.bundle.bundle import Bundle
from codec.errors import InvalidInput
from codec.graphs.onnx import open_graphs
from codec.pipeline import Model
from codec.rate_control import Rate, psnr, reaching_psnr, within_bytes

LEVELS = 17
sizes = st.lists(st.integers(2, 60), min_size=LEVELS, max_size=LEVELS)
many_sizes = st.lists(sizes, min_size=1, max_size=4)


class Counted:
    """Values of levels, and how many of them were asked for in how many rounds."""

    def __init__(self, values):
        self.values, self.rounds, self.asked = values, 0, 0

    def __call__(self, pairs):
        self.rounds += 1
        self.asked += len(pairs)
        return [self.values[image][level] for image, level in pairs]


def records(table):
    return Counted([[bytes(size) for size in row] for row in table])


@given(table=many_sizes, target=st.integers(1, 62), guesses=many_sizes)
def test_a_record_is_never_above_its_target_and_the_next_level_is(table, target, guesses):
    """However wrong the guesses are, and however the lengths jump."""
    ideal = Counted([guesses[i % len(guesses)] for i in range(len(table))])
    fitting = [[q for q, size in enumerate(row) if size <= target] for row in table]
    if all(fitting):
        found = within_bytes(len(table), LEVELS, ideal, records(table), target)
        for (level, record), row in zip(found, table, strict=True):
            assert len(record) == row[level] <= target
            assert level == LEVELS - 1 or row[level + 1] > target
    else:
        worst = next(i for i, levels in enumerate(fitting) if not levels)
        sentence = f"^image {worst}: .* has {min(table[worst])} bytes"
        with pytest.raises(InvalidInput, match=sentence):
            within_bytes(len(table), LEVELS, ideal, records(table), target)


@given(table=many_sizes, target=st.integers(1, 62))
def test_a_psnr_is_reached_and_the_next_coarser_level_misses_it(table, target):
    reaching = [[q for q, value in enumerate(row) if value >= target] for row in table]
    if all(reaching):
        levels = reaching_psnr(len(table), LEVELS, Counted(table), target)
        for level, row in zip(levels, table, strict=True):
            assert row[level] >= target
            assert level == 0 or row[level - 1] < target
    else:
        worst = next(i for i, levels in enumerate(reaching) if not levels)
        sentence = f"^image {worst}: .* best is {max(table[worst])}.00 dB"
        with pytest.raises(InvalidInput, match=sentence):
            reaching_psnr(len(table), LEVELS, Counted(table), target)


@given(table=st.lists(sizes.map(sorted), min_size=1, max_size=4), target=st.integers(2, 62))
def test_lengths_that_grow_as_guessed_are_found_in_five_rounds_and_coded_twice(table, target):
    table = [[2, *row[1:]] for row in table]
    ideal, coded = Counted(table), records(table)
    within_bytes(len(table), LEVELS, ideal, coded, target)
    assert ideal.rounds <= 5
    assert coded.asked <= 2 * len(table)


@pytest.mark.parametrize("target", [10, 24.5, 41])
def test_errors_that_fall_are_found_in_five_rounds_of_decoding(target):
    measure = Counted([[10.0 + 2 * level for level in range(LEVELS)]] * 50)
    assert reaching_psnr(50, LEVELS, measure, target) == [int(np.ceil((target - 10) / 2))] * 50
    assert measure.rounds <= 5


def test_no_images_need_no_search():
    assert within_bytes(0, LEVELS, records([]), records([]), 5) == []
    assert reaching_psnr(0, LEVELS, Counted([]), 30) == []


def test_a_model_with_one_level_serves_or_refuses():
    assert within_bytes(1, 1, Counted([[8.0]]), records([[9]]), 9) == [(0, bytes(9))]
    with pytest.raises(InvalidInput, match="smallest record has 9 bytes, at quality 0"):
        within_bytes(1, 1, Counted([[8.0]]), records([[9]]), 8)


def test_psnr_is_that_of_the_definition():
    image = np.full((4, 4, 3), 100, np.uint8)
    assert psnr(image, image) == np.inf
    assert psnr(image, image + 1) == pytest.approx(20 * np.log10(255))
    assert psnr(image, 255 - image) == psnr(255 - image, image)


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
    """Real graphs, and how many rows went through each."""

    def __init__(self, graphs):
        self.graphs, self.encoded, self.decoded = graphs, 0, 0

    def encode(self, x):
        self.encoded += len(x)
        return self.graphs.encode(x)

    def decode(self, latent):
        self.decoded += len(latent)
        return self.graphs.decode(latent)


@pytest.fixture(params=["tiny", "tiny_map"])
def served(request) -> tuple[Model, list[np.ndarray]]:
    """A real model and images for it; of several sizes where it takes any."""
    model = request.getfixturevalue(request.param)
    if request.param == "tiny":
        return model, waves(12, 16, 16)
    return model, [*waves(4, 24, 40), *waves(4, 16, 16, seed=1)]


def at_all_levels(model: Model, images: list[np.ndarray]) -> list[list[bytes]]:
    """Records `[image][level]`."""
    levels = [model.compress(images, level) for level in range(model.manifest.quality_levels)]
    return [list(records) for records in zip(*levels, strict=True)]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 1.0])
def test_target_bytes_of_a_real_model_hold_against_all_levels(served, share) -> None:
    model, images = served
    table = at_all_levels(model, images)
    smallest = max(min(map(len, row)) for row in table)
    target = round(smallest + share * (max(len(row[-1]) for row in table) - smallest))
    made = model.compress_at(images, Rate(target_bytes=target))
    for one, row in zip(made, table, strict=True):
        assert one.record == row[one.quality]
        assert len(one.record) <= target
        assert one.quality == LEVELS - 1 or len(row[one.quality + 1]) > target
    if smallest > 3:
        with pytest.raises(InvalidInput, match=rf"its smallest record has {smallest} bytes"):
            model.compress_at(images, Rate(target_bytes=smallest - 1))


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_target_psnr_of_a_real_model_holds_against_all_levels(served, share) -> None:
    model, images = served
    table = at_all_levels(model, images)
    reached = [
        [psnr(image, back) for back in model.decompress(row)]
        for image, row in zip(images, table, strict=True)
    ]
    low, high = min(map(min, reached)), min(map(max, reached))
    target = low + share * (high - low)
    made = model.compress_at(images, Rate(target_psnr=target))
    for one, row, values in zip(made, table, reached, strict=True):
        assert one.record == row[one.quality]
        assert values[one.quality] >= target
        assert one.quality == 0 or values[one.quality - 1] < target
    with pytest.raises(InvalidInput, match=rf"its best is {high:.2f} dB"):
        model.compress_at(images, Rate(target_psnr=high + 1e-6))


@pytest.mark.parametrize("rate", [Rate(target_bytes=12), Rate(target_psnr=12.0)])
def test_the_encoder_runs_once_whatever_is_asked_for(bundle: Bundle, rate: Rate) -> None:
    graphs = CountedGraphs(open_graphs(bundle, "cpu"))
    images = [np.full((16, 16, 1), value, np.uint8) for value in (60, 90, 120)]
    Model(bundle, graphs).compress_at(images, rate)
    assert graphs.encoded == len(images)
    assert graphs.decoded <= 5 * len(images) * (rate.target_psnr is not None)


def test_one_model_covers_a_range_of_four_in_bytes(tiny_map: Model) -> None:
    images = waves(6, 64, 64)
    coarse, fine = (sum(map(len, tiny_map.compress(images, level))) for level in (0, 16))
    assert fine >= 4 * coarse


def test_an_impossible_level_is_refused_with_the_levels_there_are(tiny: Model) -> None:
    with pytest.raises(InvalidInput, match=r"^quality 17, the model has levels 0\.\.16"):
        tiny.compress_at(waves(1, 16, 16), Rate(quality=17))
