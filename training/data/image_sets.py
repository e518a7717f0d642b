"""Sets of images in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from codec.arrays import U8

# uint8 [N, C, H, W], or a list of [C, H, W] of different sizes.
Images = Sequence[U8] | U8


def take(images: Images, positions: NDArray[np.int64]) -> Images:
    """The images at `positions`."""
    if isinstance(images, np.ndarray):
        return images[positions]
    return [images[i] for i in positions]


def digest(images: Images) -> str:
    """SHA-256 over the number, shapes and bytes of the images, in order."""
    state = hashlib.sha256(str(len(images)).encode())
    for image in images:
        state.update(str(image.shape).encode())
        state.update(np.ascontiguousarray(image).data)
    return state.hexdigest()
