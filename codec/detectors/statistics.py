"""Statistics of small cells of an image: edge directions, mean and deviation.

Of every channel mean and deviation, and of the mean of the channels a histogram of the directions
of its gradient, as in Dalal and Triggs, "Histograms of oriented gradients for human detection",
2005: each gradient adds its magnitude to the two nearest of eight directions, shared linearly.
Cells of s x s pixels lie s / 2 apart.

Sums are in float64 and run pixel by pixel, so the statistics of an image never depend on others.
Between machines they may differ in the last digits of arctan2 and hypot.
"""

import numpy as np

from codec.arrays import F32, F64

BINS = 8
SIDES = (4, 8, 16)
# Directions and means count as much as deviations when their ranges are alike.
_HISTOGRAM_WEIGHT, _MEAN_WEIGHT = 4.0, 0.5


def statistics_length(channels: int) -> int:
    """Number of values D of a cell: 8 + 2 C."""
    return BINS + 2 * channels


def cell_grid(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Rows and columns of the cells of a working image of this (h, w), both at least the side."""
    hop = side // 2
    return size[0] // hop - 1, size[1] // hop - 1


def cell_statistics(image: F32, side: int) -> F32:
    """`[8 + 2 C, h', w']` of a working image `[C, h, w]`, for cells of 4, 8 or 16 pixels a side.

    The values are 4 x the mean histogram, 0.5 x the mean of each channel, the deviation of each.
    """
    return statistics_of(block_sums(image), side)


def block_sums(image: F32) -> F64:
    """Histogram, sum and sum of squares of each block of 2x2 pixels, `[8 + 2 C, h / 2, w / 2]`.

    They serve cells of all sides. An odd last row or column is left out.
    """
    sums = _quartered(np.concatenate([image, np.square(image)]).astype(np.float64))
    return np.concatenate([_histograms(image.mean(0)), sums])


def statistics_of(blocks: F64, side: int) -> F32:
    """`cell_statistics` from `block_sums`."""
    for _ in range(SIDES.index(side)):
        blocks = _quartered(blocks)
    cells = blocks[:, :-1] + blocks[:, 1:]
    cells = (cells[..., :-1] + cells[..., 1:]) / side**2
    channels = (len(cells) - BINS) // 2
    mean, square = cells[BINS : BINS + channels], cells[BINS + channels :]
    deviation = np.sqrt(np.maximum(square - np.square(mean), 0.0))
    parts = _HISTOGRAM_WEIGHT * cells[:BINS], _MEAN_WEIGHT * mean, deviation
    return np.concatenate(parts).astype(np.float32)


def _quartered(planes: F64) -> F64:
    """Sums of 2x2 neighbours of `[P, h, w]`: `[P, h // 2, w // 2]`."""
    height, width = planes.shape[1] // 2 * 2, planes.shape[2] // 2 * 2
    rows = planes[:, 0:height:2, :width] + planes[:, 1:height:2, :width]
    return rows[..., 0::2] + rows[..., 1::2]


def _histograms(gray: F32) -> F64:
    """Directions of the gradient in each block of 2x2 pixels, `[8, h / 2, w / 2]`."""
    down, across = gray.shape[0] // 2, gray.shape[1] // 2
    padded = np.pad(gray, 1, mode="edge")
    inside = slice(0, 2 * down), slice(0, 2 * across)
    dy = (padded[2:, 1:-1] - padded[:-2, 1:-1])[inside]
    dx = (padded[1:-1, 2:] - padded[1:-1, :-2])[inside]
    magnitude = np.hypot(dx, dy)
    turn = np.arctan2(dy, dx) * np.float32(BINS / (2 * np.pi))  # -4 .. 4 bins
    lower = np.floor(turn)
    upper_share = magnitude * (turn - lower)
    first = lower.astype(np.intp) % BINS
    block = np.arange(down).repeat(2)[:, None] * across + np.arange(across).repeat(2)
    count = down * across
    flat = BINS * count
    first_sums = np.bincount(
        (first * count + block).ravel(), (magnitude - upper_share).ravel(), flat
    )
    second = (first + 1) % BINS
    second_sums = np.bincount((second * count + block).ravel(), upper_share.ravel(), flat)
    return np.asarray((first_sums + second_sums).reshape(BINS, down, across), np.float64)
