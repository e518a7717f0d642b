"""Box smoothing of maps, shared by all anomaly scores."""

import numpy as np

from codec.arrays import F32


def smooth(image: F32, side: int) -> F32:
    """Box mean of `[H, W]` over side x side pixels, side odd, applied twice; edges are repeated."""
    for axis in (0, 1, 0, 1):
        image = _box(image, side, axis)
    return image


def _box(image: F32, side: int, axis: int) -> F32:
    if side == 1:
        return image
    pad = [(0, 0), (0, 0)]
    pad[axis] = (side // 2 + 1, side // 2)
    # In float64: a running sum in float32 would lose small residuals after a large one.
    total = np.cumsum(np.pad(image, pad, mode="edge"), axis=axis, dtype=np.float64)
    n = image.shape[axis]
    upper, lower = np.arange(side, side + n), np.arange(n)
    return ((total.take(upper, axis) - total.take(lower, axis)) / side).astype(np.float32)
