"""The small picture of an image that a detector looks at, and maps brought back to the image."""

import numpy as np
from PIL import Image

from codec.arrays import F32, U8


def working_image(image: U8, size: tuple[int, int]) -> F32:
    """`[H, W, C]` uint8 as `[C, h, w]` float32 in [0, 1], for `size` (h, w).

    Sides that do not grow are averaged over boxes, otherwise both are interpolated linearly; in
    either case values are rounded to whole grey levels. Takes one channel at a time from uint8, so
    that the largest image costs no float copy.
    """
    height, width = size
    shrinks = height <= image.shape[0] and width <= image.shape[1]
    method = Image.Resampling.BOX if shrinks else Image.Resampling.BILINEAR
    planes = [
        Image.fromarray(np.ascontiguousarray(image[..., channel])).resize((width, height), method)
        for channel in range(image.shape[2])
    ]
    return np.stack([np.asarray(plane) for plane in planes]).astype(np.float32) / np.float32(255.0)


def stretched(values: F32, offset: float, size: tuple[int, int]) -> F32:
    """A map `[h, w]` interpolated linearly to an image of `size` (H, W); edges are repeated.

    `offset` is the distance of the first value from the border of the image, in steps of the map:
    0.5 if the values divide the image among them, 1 if they are centres of overlapping cells.
    """
    padded = np.pad(values, 1, mode="edge")
    near, (height, width) = 1.5 - offset, values.shape
    box = (near, near, width + 0.5 + offset, height + 0.5 + offset)
    picture = Image.fromarray(padded).resize(size[::-1], Image.Resampling.BILINEAR, box)
    return np.asarray(picture, np.float32)
