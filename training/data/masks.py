"""Masks of defects, read by one rule whatever the file's pixels are: not black is defect.

* Gray levels, class numbers and colours mark a defect where any channel is not 0, at 1, 8, 16 or 32
  bits. Only of a JPEG, whose black is not exactly 0, it is more than half of the largest value.
* A palette counts by its colours; if none of them is black, its first entry is the background.
* Transparent pixels are not a defect.
* The orientation of the file is applied, as it is to images. The first frame or page counts.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image

from codec.arrays import Mask
from codec.errors import InvalidInput
from codec.image_reader import FORMATS, MAX_PIXELS
from training.errors import TrainingError
from training.metrics.images import resize_mask

_PILLOW_FORMATS = tuple(name.upper() for name in (*FORMATS, "MPO"))
_ORIENTATION = 274
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


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
    try:
        with (
            warnings.catch_warnings(action="ignore"),
            Image.open(io.BytesIO(data), formats=_PILLOW_FORMATS) as image,
        ):
            if image.width * image.height <= MAX_PIXELS:
                image.load()
                return _marked(_upright(image), lossy=image.format in ("JPEG", "MPO"))
    except Exception as error:  # damaged files make decoders raise nearly any of Python's errors
        raise InvalidInput("the mask is damaged or not an image of a known format") from error
    raise InvalidInput(f"the mask has more than {MAX_PIXELS} pixels")


def _upright(image: Image.Image) -> Image.Image:
    with suppress(Exception):  # damaged metadata say nothing
        return image.transpose(_TURNS[image.getexif()[_ORIENTATION]])
    return image


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
