"""Metrics of heat maps over sets of any size: counts of pixels at fixed levels, added up.

A level is a float's sign, exponent and first 11 bits, which keep its order. So the counts of many
maps need no common range, memory does not grow with the number of pixels, and values of one level,
which differ by less than 2^-11 of their size, count as equal.
"""

from __future__ import annotations

import numpy as np

from codec.arrays import F32, F64, I32, I64, Mask

_DROPPED_BITS = 12
_HALF = 2 ** (31 - _DROPPED_BITS)
# Number of levels: _HALF of negative values, then _HALF of the others.
LEVELS = 2 * _HALF
# False-positive rate up to which the per-region overlap is integrated (Bergmann et al. 2019).
AUPRO_LIMIT = 0.3


def levels_of(values: F32) -> I32:
    """The level of each value, in any shape, in [0, LEVELS), ascending; 0 and -0 have the same."""
    plain = np.ascontiguousarray(values, np.float32) + np.float32(0)  # -0 becomes 0
    bits = plain.view(np.int32)
    size = (bits & 0x7FFFFFFF) >> _DROPPED_BITS
    return np.asarray(np.where(bits < 0, _HALF - 1 - size, _HALF + size), np.int32)


def value_of(level: int) -> float:
    """The smallest value of a level, rounded to its 12 bits."""
    size = level - _HALF if level >= _HALF else _HALF - 1 - level
    bits = np.array(size << _DROPPED_BITS, np.uint32)
    if level < _HALF:
        bits |= np.uint32(2**_DROPPED_BITS - 1)
    value = float(bits.view(np.float32))
    return value if level >= _HALF else -value


def count_levels(values: F32, truth: Mask) -> I64:
    """How many of the values have each level, `[2, LEVELS]`: normal pixels, defect pixels."""
    levels = levels_of(values)
    return np.stack([np.bincount(levels[truth == kind], minlength=LEVELS) for kind in (0, 1)])


def overlap_levels(values: F32, mask: Mask) -> tuple[F64, int]:
    """What each level adds to the overlap of the regions of a mask, `[LEVELS]`, and their number.

    `values` and `mask` are `[H, W]`. A pixel of a region of n pixels adds 1/n to its level.
    """
    regions, count = label_regions(mask)
    inside = regions[mask]
    weights = 1 / np.bincount(inside, minlength=count + 1)[inside]
    added = np.bincount(levels_of(values[mask]), weights, minlength=LEVELS)
    return np.asarray(added, np.float64), count


def aupro(normal: I64, overlap: F64, regions: int, limit: float = AUPRO_LIMIT) -> float:
    """Area under the per-region overlap curve up to a false-positive rate, divided by that rate.

    `normal [LEVELS]` counts the pixels outside of all regions, `overlap [LEVELS]` is the sum of
    `overlap_levels`. At each threshold, the overlap is the mean over the regions of the share of
    pixels that are flagged. The curve starts at (0, 0) and is linear between thresholds. Bergmann
    et al., "MVTec AD", CVPR 2019, as computed by MVTec's evaluation code and by anomalib. NaN
    without regions or without normal pixels.
    """
    if not regions or not normal.sum():
        return float("nan")
    used = (normal > 0) | (overlap > 0)
    rate = np.cumsum(normal[used][::-1], dtype=np.float64) / normal.sum()
    share = np.cumsum(overlap[used][::-1]) / regions
    rate, share = np.concatenate([[0.0], rate]), np.concatenate([[0.0], share])
    after = int(np.searchsorted(rate, limit, "right"))
    x, y = rate[:after], share[:after]
    if after < len(rate):
        part = (limit - x[-1]) / (rate[after] - x[-1])
        x = np.append(x, limit)
        y = np.append(y, y[-1] + part * (share[after] - y[-1]))
    return float(np.trapezoid(y, x) / limit)


def label_regions(mask: Mask) -> tuple[I32, int]:
    """The 8-connected regions of a mask `[H, W]`: their numbers from 1, 0 outside, and how many.

    Pixels that touch at a corner are connected, as in MVTec's evaluation code (a 3x3 structure of
    ones for `scipy.ndimage.label`, whose default is 4) and in anomalib (the default of OpenCV).
    """
    width = mask.shape[1] + 2
    framed = np.pad(mask, ((0, 0), (1, 1))).astype(np.int8)
    steps = np.diff(framed, axis=1)
    # Runs of pixels of one row, in reading order, as [start, end) in a row of `width`.
    rows, starts = np.nonzero(steps == 1)
    ends = np.nonzero(steps == -1)[1]
    above = (rows - 1) * width
    first = np.searchsorted(rows * width + ends, above + starts, "left")
    after = np.searchsorted(rows * width + starts, above + ends, "right")
    roots = _unite(first.tolist(), after.tolist())
    regions, number = np.unique(roots, return_inverse=True)
    labels = np.zeros(mask.shape, np.int32)
    labels[mask] = np.repeat(number + 1, ends - starts)
    return labels, len(regions)


def _unite(first: list[int], after: list[int]) -> list[int]:
    """The first run of the region of each run; run i touches those of `range(first[i], after[i])`.

    They are all before it (union-find).
    """
    parent = list(range(len(first)))

    def root(run: int) -> int:
        while parent[run] != run:
            parent[run] = parent[parent[run]]
            run = parent[run]
        return run

    for run, (low, high) in enumerate(zip(first, after, strict=True)):
        for other in range(low, high):
            one, two = root(run), root(other)
            parent[max(one, two)] = min(one, two)
    return [root(run) for run in range(len(parent))]
