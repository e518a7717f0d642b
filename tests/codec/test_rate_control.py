"""The search for a level, on sizes and errors that follow no rule, and on two tiny real models."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.errors import InvalidInput
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
