"""Atlases: tiles come back where they were, whatever their number."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rate_distortion.atlas import cut, grid, groups, join

RNG = np.random.default_rng(1)


@given(st.integers(1, 40), st.sampled_from([1, 3]))
def test_every_tile_comes_back(count: int, channels: int) -> None:
    images = list(RNG.integers(0, 256, (count, 4, 6, channels), dtype=np.uint8))
    sheet = join(images)
    down, across = grid(count)
    assert sheet.shape == (4 * down, 6 * across, channels)
    back = cut(sheet, images)
    assert len(back) == count
    assert all(np.array_equal(a, b) for a, b in zip(images, back, strict=True))


def test_tiles_lie_row_by_row_and_what_is_missing_is_black() -> None:
    images = [np.full((1, 2, 1), value, np.uint8) for value in range(1, 12)]
    assert join(images)[..., 0].tolist() == [
        [1, 1, 2, 2, 3, 3, 4, 4],
        [5, 5, 6, 6, 7, 7, 8, 8],
        [9, 9, 10, 10, 11, 11, 0, 0],
    ]


def test_photographs_on_their_side_fit_and_come_back() -> None:
    images = [RNG.integers(0, 256, shape, dtype=np.uint8) for shape in [(4, 6, 3), (6, 4, 3)]]
    back = cut(join(images), images)
    assert [b.shape for b in back] == [(4, 6, 3), (6, 4, 3)]
    assert all(np.array_equal(a, b) for a, b in zip(images, back, strict=True))


@pytest.mark.parametrize(
    ("count", "shape"),
    [(1, (1, 1)), (16, (4, 4)), (24, (4, 6)), (899, (29, 31)), (10_000, (100, 100))],
)
def test_a_grid_has_as_few_empty_places_as_possible(count: int, shape: tuple[int, int]) -> None:
    assert grid(count) == shape


@given(st.integers(1, 3000))
def test_a_grid_has_room_and_is_nearly_square(count: int) -> None:
    down, across = grid(count)
    assert count <= down * across
    assert abs(down - across) <= 6 + count**0.5 / 4


def test_groups_have_the_given_size_and_the_last_one_the_rest() -> None:
    images = [np.zeros((4, 4, 1), np.uint8)] * 10
    assert [len(group) for group in groups(images, 4, 10_000)] == [4, 4, 2]


def test_no_atlas_is_larger_than_its_format_allows() -> None:
    images = [np.zeros((8, 16, 1), np.uint8)] * 100
    runs = list(groups(images, 100, 64))
    assert sum(map(len, runs)) == 100
    assert max(max(join(run).shape) for run in runs) <= 64
