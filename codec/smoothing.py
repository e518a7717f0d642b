"""Box smoothing of maps, shared by all anomaly scores and by drawn defects."""

import numpy as np

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
    sums = _window_sums(_with_edges(image, side // 2, axis), side, axis)
    sums /= np.float32(side)
    return sums


def _with_edges(image: F32, width: int, axis: int) -> F32:
    """Repeats both edges `width` times: faster than np.pad, which matters for small maps."""
    shape, end = list(image.shape), width + image.shape[axis]
    shape[axis] = end + width
    padded = np.empty(shape, image.dtype)
    _lines(padded, axis, width, end)[...] = image
    _lines(padded, axis, 0, width)[...] = _lines(image, axis, 0, 1)
    _lines(padded, axis, end, end + width)[...] = _lines(padded, axis, end - 1, end)
    return padded


def _window_sums(values: F32, side: int, axis: int) -> F32:
    """Sums of each `side` neighbours along an axis, from the sums of 1, 2, 4, ... of them.

    A running sum would need float64: after a large value it loses small ones.
    """
    length = values.shape[axis] - side + 1
    parts, start, width = list[F32](), 0, 1
    while True:
        if side & width:
            parts.append(_lines(values, axis, start, start + length))
            start += width
        if 2 * width > side:
            total = parts[0] + parts[1]  # at least two, since the side is odd and above 1
            for part in parts[2:]:
                total += part
            return np.asarray(total, np.float32)
        size = values.shape[axis]
        values = _lines(values, axis, 0, size - width) + _lines(values, axis, width, size)
        width *= 2


def _lines(values: F32, axis: int, start: int, stop: int) -> F32:
    return values[..., start:stop, :] if axis == -2 else values[..., start:stop]
