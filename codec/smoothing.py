"""Box smoothing of maps, shared by all anomaly scores and by drawn defects."""

import functools

import numpy as np
from numpy.typing import NDArray

from codec.arrays import F32


def smooth(image: F32, side: int) -> F32:
    """Box mean of `[..., H, W]` over side x side pixels, side odd, applied twice: nearly Gaussian.

    Edges are repeated. A value depends on the values around it only, so of an image in parts it is
    the same.
    """
    for axis in (-2, -1, -2, -1):
        image = _box(image, side, axis)
    return image


def _box(image: F32, side: int, axis: int) -> F32:
    if side == 1:
        return image
    sums = _window_sums(image.take(_places(image.shape[axis], side), axis), side, axis)
    sums /= np.float32(side)
    return sums


@functools.lru_cache
def _places(length: int, side: int) -> NDArray[np.intp]:
    """Positions of a line with repeated edges: faster than np.pad, which matters for small maps."""
    return np.arange(-(side // 2), length + side // 2).clip(0, length - 1)


def _window_sums(values: F32, side: int, axis: int) -> F32:
    """Sums of each `side` neighbours along an axis, from the sums of 1, 2, 4, ... of them.

    A running sum would need float64: after a large value it loses small ones.
    """
    length = values.shape[axis] - side + 1
    total, start, width = None, 0, 1
    while True:
        if side & width:
            part = _lines(values, axis, start, start + length)
            total = part.copy() if total is None else np.add(total, part, out=total)
            start += width
        if 2 * width > side:
            return np.asarray(total, np.float32)
        size = values.shape[axis]
        values = _lines(values, axis, 0, size - width) + _lines(values, axis, width, size)
        width *= 2


def _lines(values: F32, axis: int, start: int, stop: int) -> F32:
    return values[..., start:stop, :] if axis == -2 else values[..., start:stop]
