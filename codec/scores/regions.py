"""Regions of an anomalous image: boxes around the hot pixels of its heat map.

A pixel is hot above a quarter of heatmap_vmax, which one normal image in ten reaches at one pixel
or more. The image is known to be anomalous, so pixels below the whole of it are worth keeping too.
If nothing is hot, the region is the one box of pixels above half of the maximum that holds it.

The hot pixels are cut along every empty band of rows or columns that is wide enough, like pages
into columns and paragraphs (the XY cut of Nagy and Seth, "Hierarchical representation of optically
scanned documents", 1984), until none is left. So boxes are apart, and stay apart when padded. The
hottest come first until their number or area is used up.
"""

import numpy as np

from codec.arrays import F32, Mask
from codec.images.boxes import MAX_AREA, MAX_BOXES, Box

# Part of heatmap_vmax above which a pixel is hot. On circuit boards with about six defects each, 1
# keeps a fifth of the defects, 0.5 less than half, 0.25 three in four, in 12 % of the pixels.
HOT = 0.25
# A small defect is hot only in its middle. Narrower bands would cost more bytes in file headers
# than they save in pixels.
PADDING = 8
BAND = 2 * PADDING


def find_regions(heatmap: F32, vmax: float) -> list[Box]:
    """Boxes in a heat map `[H, W]`, in ascending order; `vmax` is the value of full colour.

    At least one box, which holds the maximum; at most MAX_BOXES with MAX_AREA pixels together,
    which do not overlap.
    """
    boxes = _hottest_first(_cut(heatmap > HOT * vmax), heatmap)
    if not boxes:
        # Half of a negative maximum would be above it.
        peak = float(heatmap.max())
        boxes = _hottest_first(_cut(heatmap >= min(peak, peak / 2)), heatmap)[:1]
    return sorted(_within_limits(boxes, heatmap))


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
