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
    n = image.shape[axis]
    # Edges are repeated: faster than np.pad, which matters for small maps.
    places = np.clip(np.arange(-(side // 2) - 1, n + side // 2), 0, n - 1)
    # In float64: a running sum in float32 would lose small residuals after a large one.
    total = np.cumsum(image.take(places, axis), axis=axis, dtype=np.float64)
    upper = total[side:] if axis == 0 else total[:, side:]
    lower = total[:n] if axis == 0 else total[:, :n]
    return ((upper - lower) / side).astype(np.float32)
