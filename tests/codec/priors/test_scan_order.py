"""The scan order: every position once, decoded neighbours, edges that reflect."""

import numpy as np
import pytest

from codec.priors.scan_order import MAX_NEIGHBOUR_GROUPS, SCAN_ORDER, CodingPass

SIZES = [(1, 1), (1, 7), (7, 1), (2, 2), (3, 5), (4, 4), (5, 9), (8, 8), (13, 6)]


@pytest.mark.parametrize("size", SIZES)
def test_the_passes_cover_every_position_once(size: tuple[int, int]) -> None:
    visits = np.zeros(size, int)
    for part in SCAN_ORDER:
        visits[part.grid] += 1
    assert (visits == 1).all()


@pytest.mark.parametrize("size", SIZES)
def test_a_neighbour_was_coded_in_an_earlier_pass(size: tuple[int, int]) -> None:
    number = np.zeros(size)
    for index, part in enumerate(SCAN_ORDER):
        number[part.grid] = index + 1
    decoded = number[None, :, :, None]
    for index, part in enumerate(SCAN_ORDER):
        assert len(part.neighbour_groups) <= MAX_NEIGHBOUR_GROUPS
        for step in (step for steps in part.neighbour_groups for step in steps):
            assert (part.neighbours(decoded, step) < index + 1).all()


@pytest.mark.parametrize("size", SIZES)
def test_neighbours_are_those_of_a_walk_from_position_to_position(size: tuple[int, int]) -> None:
    decoded = np.random.default_rng(0).normal(size=(2, *size, 3))
    for part in SCAN_ORDER:
        for step in (step for steps in part.neighbour_groups for step in steps):
            assert np.array_equal(part.neighbours(decoded, step), walked(decoded, part, step))


def walked(decoded: np.ndarray, part: CodingPass, step: tuple[int, int]) -> np.ndarray:
    """The neighbours, one position at a time."""
    images, height, width, dims = decoded.shape
    lines = range(part.line, height, part.stride)
    columns = range(part.column, width, part.stride)
    neighbours = np.zeros((images, len(lines), len(columns), dims))
    for i, line in enumerate(lines):
        for j, column in enumerate(columns):
            y, x = line + step[0], column + step[1]
            y = y if 0 <= y < height else line - step[0]
            x = x if 0 <= x < width else column - step[1]
            if 0 <= y < height and 0 <= x < width:
                neighbours[:, i, j] = decoded[:, y, x]
    return neighbours


def test_three_quarters_of_a_map_have_neighbours_at_distance_one() -> None:
    close = 0
    for part in SCAN_ORDER:
        steps = [step for steps in part.neighbour_groups for step in steps]
        if steps and max(abs(line) for line, _ in steps) == 1:
            close += np.zeros((16, 16))[part.grid].size
    assert close == 192
