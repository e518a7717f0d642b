"""Regions of an anomalous image: boxes around the hot pixels of its heat map.

For a verdict, a pixel is hot if its value has a conformal p-value at or below the false-alarm rate,
among the largest heat-map values of normal images. So a normal image has a hot pixel at all with a
probability of at most this rate.

For evidence, a pixel is hot above a quarter of heatmap_vmax, which one normal image in ten reaches
at one pixel or more. The image is known to be anomalous, so pixels below the whole of it are worth
keeping too. The same is hot for a verdict if the bundle does not have those largest values.

If nothing is hot, the region is the one box of pixels above half of the maximum that holds it.

The hot pixels are cut along every empty band of rows or columns that is wide enough, like pages
into columns and paragraphs (the XY cut of Nagy and Seth, "Hierarchical representation of optically
scanned documents", 1984), until none is left. So boxes are apart, and stay apart when padded. The
hottest come first until their number, or for evidence their area, is used up.
"""

from dataclasses import dataclass

import numpy as np

from codec.arrays import F32, F64, Mask
from codec.images.boxes import MAX_AREA, MAX_BOXES, Box
from codec.scores.conformal import p_value, threshold

# Part of heatmap_vmax above which a pixel is hot. On circuit boards with about six defects each, 1
# keeps a fifth of the defects, 0.5 less than half, 0.25 three in four, in 12 % of the pixels.
HOT = 0.25
# A small defect is hot only in its middle. Narrower bands would cost more bytes in file headers
# than they save in pixels.
PADDING = 8
BAND = 2 * PADDING
# Regions of one verdict.
MAX_REGIONS = 100


@dataclass(frozen=True, slots=True)
class Region:
    """A place where an image is anomalous.

    `box` lies around hot pixels of the heat map, `area` is their number, `value` the largest of
    them, in the unit of the heat map. `p_value`, in (0, 1], is (1 + number of calibration images
    whose heat maps reach the value anywhere) / (n + 1); None if their peaks are not known.
    """

    box: Box
    area: int
    value: float
    p_value: float | None


def regions_at_rate(
    heatmap: F32, rate: float, vmax: float, peaks: F64 | None
) -> tuple[Region, ...]:
    """The regions of a heat map `[H, W]` at a false-alarm rate, the hottest first.

    `peaks [n]` are the ascending heatmap_peaks of the calibration, `vmax` its heatmap_vmax. At
    least one region, which holds the maximum, and at most MAX_REGIONS, without a common pixel.
    """
    # In float64, so that exactly the pixels with such a p-value are hot.
    hot = heatmap > (HOT * vmax if peaks is None else np.float64(threshold(peaks, rate)))
    boxes = _hottest_first(_cut(hot), heatmap)
    if not boxes:
        hot = _above_half(heatmap)
        boxes = _hottest_first(_cut(hot), heatmap)[:1]
    return tuple(_region(box, heatmap, hot, peaks) for box in boxes[:MAX_REGIONS])


def _region(box: Box, heatmap: F32, hot: Mask, peaks: F64 | None) -> Region:
    value = float(heatmap[box.slices].max())
    p = None if peaks is None else p_value(value, peaks)
    return Region(box, int(hot[box.slices].sum()), value, p)


def find_regions(heatmap: F32, vmax: float) -> list[Box]:
    """Boxes in a heat map `[H, W]`, in ascending order; `vmax` is the value of full colour.

    At least one box, which holds the maximum; at most MAX_BOXES with MAX_AREA pixels together,
    which do not overlap.
    """
    boxes = _hottest_first(_cut(heatmap > HOT * vmax), heatmap)
    if not boxes:
        boxes = _hottest_first(_cut(_above_half(heatmap)), heatmap)[:1]
    return sorted(_within_limits(boxes, heatmap))


def _above_half(heatmap: F32) -> Mask:
    """Where a heat map is at least half of its maximum."""
    peak = float(heatmap.max())
    # Half of a negative maximum would be above it.
    return np.asarray(heatmap >= min(peak, peak / 2))


def _hottest_first(boxes: list[Box], heatmap: F32) -> list[Box]:
    return sorted(boxes, key=lambda box: -float(heatmap[box.slices].max()))


def _within_limits(boxes: list[Box], heatmap: F32) -> list[Box]:
    """The first of the boxes, padded, that fit into MAX_BOXES and MAX_AREA."""
    kept: list[Box] = []
    for box in boxes:
        padded = _padded(box, heatmap.shape)
        free = MAX_AREA - sum(other.area for other in kept)
        if padded.area > free and not kept:
            padded = _around_peak(padded, heatmap)
        if padded.area <= free and len(kept) < MAX_BOXES:
            kept.append(padded)
    return kept


def _cut(hot: Mask) -> list[Box]:
    """Boxes around the true pixels of `[H, W]`, at least BAND empty rows or columns apart."""
    boxes, pending = [], [Box(0, 0, *hot.shape)]
    while pending:
        box = pending.pop()
        parts = _split(hot, box)
        if parts == [box]:
            boxes.append(box)
        else:
            pending += parts
    return boxes


def _split(hot: Mask, box: Box) -> list[Box]:
    """Cuts a box along its empty bands, rows first, and shrinks the parts to their hot pixels."""
    inside = hot[box.slices]
    return [
        Box(box.top + top, box.left + left, height, width)
        for top, height in _runs(inside, 1)
        for left, width in _runs(inside[top : top + height], 0)
    ]


def _runs(hot: Mask, axis: int) -> list[tuple[int, int]]:
    """Start and length of the runs of lines along the axis that are not empty.

    Runs with fewer than BAND empty lines between them are one.
    """
    places = np.flatnonzero(hot.any(axis))
    gaps = np.flatnonzero(np.diff(places) > BAND)
    starts = places[[0, *(gaps + 1)]] if len(places) else places
    ends = places[[*gaps, -1]] + 1 if len(places) else places
    return [(int(start), int(end - start)) for start, end in zip(starts, ends, strict=True)]


def _padded(box: Box, shape: tuple[int, ...]) -> Box:
    top, left = max(0, box.top - PADDING), max(0, box.left - PADDING)
    bottom = min(shape[0], box.top + box.height + PADDING)
    right = min(shape[1], box.left + box.width + PADDING)
    return Box(top, left, bottom - top, right - left)


def _around_peak(box: Box, heatmap: F32) -> Box:
    """The part of a box of more than MAX_AREA pixels around its hottest pixel."""
    inside = heatmap[box.slices]
    row, column = np.unravel_index(int(inside.argmax()), inside.shape)
    height = min(box.height, max(int(MAX_AREA**0.5), MAX_AREA // box.width))
    width = min(box.width, MAX_AREA // height)
    top = min(max(0, int(row) - height // 2), box.height - height)
    left = min(max(0, int(column) - width // 2), box.width - width)
    return Box(box.top + top, box.left + left, height, width)
