"""The outline of a mask on an image."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from codec.arrays import U8, Mask
from training.evaluation.report.sheet import MAX_SIDE

# Unlike gray images and unlike the yellow to red of heat maps.
OUTLINE = (0, 200, 255)


def draw_outline(image: U8, mask: Mask) -> U8:
    """`[H, W, 3]`: the image `[H, W, 1 or 3]` with a line around the marked pixels of `[H, W]`.

    The line lies outside of them, and is wide enough to be seen on a sheet that reduces the image.
    """
    width = -(-max(mask.shape) // MAX_SIDE)
    drawn = np.array(np.broadcast_to(image, (*mask.shape, 3)))
    drawn[_grown(mask, width) & ~mask] = OUTLINE
    return drawn


def _grown(mask: Mask, width: int) -> Mask:
    """The mask and all pixels at most `width` rows and columns away from it."""
    padded, window = np.pad(mask, width), 2 * width + 1
    rows = sliding_window_view(padded, window, axis=0).any(-1)
    return np.asarray(sliding_window_view(rows, window, axis=1).any(-1))
