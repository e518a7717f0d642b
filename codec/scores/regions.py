"""Where an anomalous image is anomalous: boxes around the hot places of its heat map.

Hot is what lies above a quarter of the calibrated heat scale, which one normal image in ten reaches
anywhere: the image is known to be anomalous, so a place that is merely warm is worth keeping.
Should nothing be that hot, it is the one box of what lies above half of the peak. The hot
pixels are cut along every empty band of rows or columns that is wide enough, as pages are cut into
columns and paragraphs (the XY cut of Nagy and Seth, 1984), until none is left. So boxes lie apart,
and still do once they are padded. The hottest come first until their number or area is used up.
"""

import numpy as np

from codec.arrays import F32, Mask
from codec.images.boxes import MAX_AREA, MAX_BOXES, Box

# Chosen on circuit boards with about six defects each: the whole scale would keep a fifth of the
# defects, half of it less than half, a quarter three in four, in twelve per cent of the pixels.
HOT = 0.25
# The heat of a small defect lies well inside of it; narrower bands cost more in frames of files
# than they save in pixels.
PADDING = 8
BAND = 2 * PADDING


def find_regions(heatmap: F32, scale: float) -> list[Box]:
    """Boxes of a heat map `[H, W]` in nats per pixel, in the order of rows, then columns.

    At least one, which holds the peak; at most MAX_BOXES of MAX_AREA pixels together; no two
    overlap.
    """
    peak, least = float(heatmap.max()), HOT * scale
    # Half of a peak below zero lies above it.
    found = _cut(heatmap > least if peak > least else heatmap >= min(peak, peak / 2))
    found.sort(key=lambda box: -float(heatmap[box.slices].max()))
    if peak <= least:
        found = found[:1]
    kept: list[Box] = []
    for box in found:
        padded = _padded(box, heatmap.shape)
        left = MAX_AREA - sum(other.area for other in kept)
        if padded.area > left and not kept:
            padded = _around_peak(padded, heatmap)
        if padded.area <= left and len(kept) < MAX_BOXES:
            kept.append(padded)
    return sorted(kept)


def _cut(hot: Mask) -> list[Box]:
    """Boxes around the true pixels of `[H, W]`, at least BAND empty rows or columns apart."""
    whole, boxes = Box(0, 0, *hot.shape), []
    pending = [whole]
    while pending:
        box = pending.pop()
        parts = _split(hot, box)
        if parts == [box]:
            boxes.append(box)
        else:
            pending += parts
    return boxes


def _split(hot: Mask, box: Box) -> list[Box]:
    """The box, cut along its empty bands and shrunk to what is hot: rows first, then columns."""
    inside = hot[box.slices]
    return [
        Box(box.top + top, box.left + left, height, width)
        for top, height in _runs(inside, 1)
        for left, width in _runs(inside[top : top + height], 0)
    ]


def _runs(hot: Mask, axis: int) -> list[tuple[int, int]]:
    """Start and length of the runs of lines along the axis with anything true in them, fewer than
    BAND empty ones inside of each.
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
    """The part of too large a box around its hottest pixel."""
    inside = heatmap[box.slices]
    row, column = np.unravel_index(int(inside.argmax()), inside.shape)
    height = min(box.height, max(int(MAX_AREA**0.5), MAX_AREA // box.width))
    width = min(box.width, MAX_AREA // height)
    top = min(max(0, int(row) - height // 2), box.height - height)
    left = min(max(0, int(column) - width // 2), box.width - width)
    return Box(box.top + top, box.left + left, height, width)
