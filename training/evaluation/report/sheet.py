"""A sheet of images as a PNG file."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from codec.arrays import U8

# Space between images, pixels, in a colour unlike black and white images.
GAP, BACKGROUND = 4, "#cbd5e0"
# The longer side of an image on the sheet, pixels.
MIN_SIDE, MAX_SIDE = 96, 256


def sheet(rows: Sequence[Sequence[U8]]) -> bytes:
    """A PNG of rows of images `[H, W, C]`, small ones enlarged and large ones reduced.

    All rows have the same number of images, and columns have images of one size.
    """
    sizes = [_drawn_size(image) for image in rows[0]]
    height = max(size[1] for size in sizes)
    whole = sum(w + GAP for w, _ in sizes) + GAP, len(rows) * (height + GAP) + GAP
    canvas = Image.new("RGB", whole, BACKGROUND)
    for index, row in enumerate(rows):
        left = GAP
        for image, size in zip(row, sizes, strict=True):
            canvas.paste(_drawn(image, size), (left, GAP + index * (height + GAP)))
            left += size[0] + GAP
    out = io.BytesIO()
    canvas.save(out, "PNG", optimize=True)
    return out.getvalue()


def _drawn_size(image: U8) -> tuple[int, int]:
    """Width and height on the sheet, in pixels."""
    height, width = image.shape[:2]
    scale: float = -(-MIN_SIDE // max(height, width))  # whole numbers keep pixels square
    scale = min(scale, MAX_SIDE / max(height, width))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _drawn(image: U8, size: tuple[int, int]) -> Image.Image:
    rgb = np.ascontiguousarray(np.broadcast_to(image, (*image.shape[:2], 3)))
    larger = size[0] >= image.shape[1]
    resampling = Image.Resampling.NEAREST if larger else Image.Resampling.LANCZOS
    return Image.fromarray(rgb).resize(size, resampling)
