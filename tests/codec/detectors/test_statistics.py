"""Statistics of cells against a loop over cells and pixels."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.detectors.statistics import (
    BINS,
    SIDES,
    block_sums,
    cell_grid,
    cell_statistics,
    statistics_of,
)


def by_hand(image: np.ndarray, side: int) -> np.ndarray:
    """The definition, pixel by pixel, in Python floats."""
    height, width = image.shape[1:]
    gray = image.astype(np.float64).mean(0)
    hop, cells = side // 2, {}
    rows, columns = (height - side) // hop + 1, (width - side) // hop + 1
    for row in range(rows):
        for column in range(columns):
            histogram = [0.0] * BINS
            for y in range(row * hop, row * hop + side):
                for x in range(column * hop, column * hop + side):
                    dy = gray[min(y + 1, height - 1), x] - gray[max(y - 1, 0), x]
                    dx = gray[y, min(x + 1, width - 1)] - gray[y, max(x - 1, 0)]
                    angle = math.atan2(dy, dx) % (2 * math.pi)
                    for one in range(BINS):
                        apart = abs(angle - one * math.tau / BINS)
                        apart = min(apart, math.tau - apart) / (math.tau / BINS)
                        histogram[one] += max(0.0, 1 - apart) * math.hypot(dx, dy)
            cut = image[:, row * hop : row * hop + side, column * hop : column * hop + side]
            means = [0.5 * float(c.mean(dtype=np.float64)) for c in cut]
            deviations = [float(c.std(dtype=np.float64)) for c in cut]
            cells[row, column] = [4 * h / side**2 for h in histogram] + means + deviations
    values = [[cells[row, column] for column in range(columns)] for row in range(rows)]
    return np.array(values).transpose(2, 0, 1)


@pytest.mark.parametrize(
    ("channels", "side", "height", "width"),
    [(1, 4, 10, 12), (3, 4, 8, 8), (1, 8, 20, 17), (3, 16, 24, 33), (1, 4, 4, 4)],
)
def test_the_statistics_are_those_of_a_loop(channels, side, height, width):
    image = np.random.default_rng(4).random((channels, height, width), dtype=np.float32)
    found = cell_statistics(image, side)
    assert found.dtype == np.float32
    assert found.shape == (8 + 2 * channels, *cell_grid((height, width), side))
    np.testing.assert_allclose(found, by_hand(image, side), atol=2e-5)


def test_a_plain_image_has_no_edges_and_no_deviation() -> None:
    found = cell_statistics(np.full((3, 16, 16), 0.7, np.float32), 4)
    assert (found[:8] == 0).all()
    np.testing.assert_allclose(found[8:11], 0.35, rtol=1e-6)
    np.testing.assert_allclose(found[11:], 0, atol=1e-7)


def test_a_ramp_has_one_direction() -> None:
    ramp = np.linspace(0, 1, 32, dtype=np.float32)[None, None].repeat(16, 1)
    inner = cell_statistics(ramp, 8)[:, :, 1:-1]
    np.testing.assert_allclose(inner[0], 4 * 2 / 31, rtol=1e-4)
    np.testing.assert_allclose(inner[1:8], 0, atol=1e-4)


@given(side=st.sampled_from(SIDES), height=st.integers(16, 50), width=st.integers(16, 50))
def test_cells_of_all_sides_share_their_sums(side, height, width):
    image = np.random.default_rng(5).random((1, height, width), dtype=np.float32)
    blocks = block_sums(image)
    before = blocks.copy()
    shared = [statistics_of(blocks, one) for one in SIDES][SIDES.index(side)]
    assert shared.tobytes() == cell_statistics(image, side).tobytes()
    assert (blocks == before).all()
