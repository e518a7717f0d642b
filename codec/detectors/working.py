"""The small picture of an image that a detector looks at, and maps brought back to the image."""

import numpy as np
from PIL import Image

from codec.arrays import F32, U8
from codec.smoothing import smooth

# Of the smoothing of working images, in pixels.
WINDOW = 3


def working_image(image: U8, size: tuple[int, int]) -> F32:
    """`[H, W, C]` uint8 as `[C, h, w]` float32 in [0, 1], for `size` (h, w).

    If neither side grows, pixels are averaged over boxes, otherwise interpolated linearly. Pillow
    rounds to whole grey levels after rows and after columns, so values are within one level. One
    channel at a time is taken from uint8, so that the largest image costs no float copy.
    """
    height, width = size
    shrinks = height <= image.shape[0] and width <= image.shape[1]
    method = Image.Resampling.BOX if shrinks else Image.Resampling.BILINEAR
    planes = [
        Image.fromarray(np.ascontiguousarray(image[..., channel])).resize((width, height), method)
        for channel in range(image.shape[2])
    ]
    return np.stack([np.asarray(plane) for plane in planes]).astype(np.float32) / np.float32(255.0)


def smoothed_picture(picture: F32) -> F32:
    """A working image `[C, h, w]` smoothed over 3x3 pixels, twice."""
    return smooth(picture, WINDOW)


def stretched(values: F32, offset: float, size: tuple[int, int], rows: slice) -> F32:
    """These rows of a map `[h, w]` interpolated linearly to an image of `size` (H, W).

    `offset` is the distance of the first value from the border of the image, in steps of the map:
    0.5 if the values divide the image among them, 1 if they are centres of overlapping cells. Edges
    are repeated. Of an image in parts, results differ by float rounding only.
    """
    # Pillow places the first value at 0.5, and one more is repeated around the map.
    near, (height, width) = 1.5 - offset, values.shape
    step = (height - 1 + 2 * offset) / size[0]
    box = (
        near,
        near + rows.start * step,
        near + width - 1 + 2 * offset,
        near + rows.stop * step,
    )
    picture = Image.fromarray(np.pad(values, 1, mode="edge"))
    wanted = size[1], rows.stop - rows.start
    return np.asarray(picture.resize(wanted, Image.Resampling.BILINEAR, box), np.float32)
