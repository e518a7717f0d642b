"""Masks of defects, read by one rule whatever the file's pixels are: not black is defect.

* Gray levels, class numbers and colours mark a defect where any channel is not 0, at 1, 8, 16 or 32
  bits. Only of a JPEG, whose black is not exactly 0, it is more than half of the largest value.
* A palette counts by its colours; if none of them is black, its first entry is the background.
* Transparent pixels are not a defect.
* The orientation of the file is applied, as it is to images. The first frame or page counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from codec.arrays import Mask
from codec.errors import InvalidInput
from codec.image_reader import read_values
from training.errors import TrainingError
from training.metrics.images import resize_mask


def read_masks(paths: Sequence[Path]) -> Mask:
    """The union of one or more mask files, bool `[H, W]`, in the size of the first one.

    Raises TrainingError with the name of a file that cannot be read.
    """
    union: Mask | None = None
    for path in paths:
        try:
            mask = read_mask(path.read_bytes())
        except (InvalidInput, OSError) as error:
            raise TrainingError(f"mask {path.name}: {error}") from error
        union = mask if union is None else union | resize_mask(mask, union.shape)
    if union is None:
        raise ValueError("no mask file")
    return union


def is_marked(paths: Sequence[Path]) -> bool:
    """Whether any of the mask files marks a defect. Raises TrainingError."""
    return bool(paths) and bool(read_masks(paths).any())


def read_mask(data: bytes) -> Mask:
    """A mask file as bool `[H, W]`, True on defects. Raises InvalidInput."""
    image = read_values(data)
    return _marked(image, lossy=image.format == "JPEG")


def _marked(image: Image.Image, *, lossy: bool) -> Mask:
    opaque = None
    if image.has_transparency_data:
        image = image.convert("RGBA")
        opaque = np.asarray(image.getchannel("A")) > 0
        image = image.convert("RGB")
    elif image.mode == "P" and not _has_black(image):
        return np.asarray(np.asarray(image) != 0, np.bool_)
    elif image.mode in ("P", "CMYK", "YCbCr", "LAB", "HSV"):
        image = image.convert("RGB")
    values = np.asarray(image)
    values = values.reshape(*values.shape[:2], -1).max(2)
    marked = np.asarray(values > values.max() / 2 if lossy else values != 0, np.bool_)
    return marked if opaque is None else marked & opaque


def _has_black(image: Image.Image) -> bool:
    """Whether a colour of the palette that is in use is black."""
    palette = np.array(image.getpalette("RGB") or [0, 0, 0]).reshape(-1, 3)
    used = np.unique(np.asarray(image))
    return bool((palette[used[used < len(palette)]] == 0).all(1).any())
