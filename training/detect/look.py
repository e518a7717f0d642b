"""What a folder of normal images is like: colour, sizes, and whether the scene is always the same.

A scene is registered if images correlate pixel by pixel; or if each correlates highly with a tenth
of the others, which holds for a few scenes in turn, such as several cameras. The thresholds lie in
wide gaps between families of known nature (`tests/training/detect`) and public sets: correlations
up to 0.18 and from 0.31 on; with the nearest tenth up to 0.48 and from 0.61 on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from codec.arrays import F64, U8
from training.data.image_files import Images
from training.detect.orientation import separability
from training.metrics.images import evenly

# Images that are looked at, and the side to which they are reduced.
LOOKED_AT, SIDE = 400, 64
# Radius of the mean that is subtracted.
SMOOTH = 8
# Channels that differ by less, on average, are those of a gray image (JPEG moves them a little).
GRAY_LEVELS = 1.0
# The scene is registered above this correlation; or above this correlation with the nearest
# tenth, if the images are not a pattern that begins anywhere, whose correlation is 0.
CORRELATED, NOT_A_PATTERN, NEAREST_CORRELATED = 0.22, 0.05, 0.54
NEAREST = 0.1
# Separability of mirrored and turned images: below it they could be training images.
FREE = 0.65


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What was measured on the training images."""

    count: int
    channels: int
    """1 if all images are gray, 3 if not"""
    smallest: tuple[int, int]
    """(height, width) of the image with the shortest side, pixels"""
    largest: tuple[int, int]
    """(height, width) of the image with the most pixels"""
    mirror: float
    """AUROC that separates images mirrored left to right from the others: 0.5 is not at all"""
    turn: float
    """the same of images that are turned by 90, 180 or 270 degrees, the largest"""
    correlation: float = 0.0
    """mean correlation of two images, pixel by pixel, without what is smooth: up to 1"""
    coloured: float = 0.0
    """share of the images that are not gray"""
    nearest_correlation: float = 0.0
    """the same with the nearest tenth of the others only: what half of the images exceed"""

    @property
    def one_size(self) -> bool:
        """All images have one size."""
        return self.smallest == self.largest

    @property
    def registered(self) -> bool:
        """The same scene, or each of a few scenes, in the same place."""
        several = self.nearest_correlation > NEAREST_CORRELATED and self.correlation > NOT_A_PATTERN
        return self.correlation > CORRELATED or several

    @property
    def mirrors(self) -> bool:
        """Mirrored images look like training images."""
        return self.mirror < FREE

    @property
    def turns(self) -> bool:
        """Turned images look like training images."""
        return max(self.turn, self.mirror) < FREE


def look(images: Images) -> Facts:
    """The facts about training images [C, H, W], of one or several sizes."""
    shapes = [image.shape[1:] for image in images]
    chosen = [images[i] for i in evenly(len(images), LOOKED_AT)]
    gray = [Image.fromarray(image.mean(0).round().astype(np.uint8)) for image in chosen]
    coloured = float(np.mean([_is_coloured(image) for image in chosen]))
    squares = np.stack([_square(picture) for picture in gray])
    correlations = _correlations(np.stack([_detail(picture) for picture in gray]))
    return Facts(
        count=len(images),
        channels=3 if coloured else 1,
        coloured=coloured,
        smallest=min(shapes, key=lambda shape: (min(shape), shape)),
        largest=max(shapes, key=lambda shape: (shape[0] * shape[1], shape)),
        mirror=separability(squares, lambda x: x[:, :, ::-1]),
        turn=max(_turned(squares, quarters) for quarters in (1, 2, 3)),
        correlation=float(correlations.mean()),
        nearest_correlation=float(np.median(np.quantile(correlations, 1 - NEAREST, axis=1))),
    )


def _turned(squares: F64, quarters: int) -> float:
    return separability(squares, lambda x: np.rot90(x, quarters, (1, 2)))


def _square(picture: Image.Image) -> F64:
    """The middle square, SIDE x SIDE, in [0, 1]: turning a square moves nothing out of it."""
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    box = (left, top, left + side, top + side)
    small = picture.resize((SIDE, SIDE), Image.Resampling.BOX, box=box)
    return np.asarray(small, np.float64) / 255


def _detail(picture: Image.Image) -> F64:
    """SIDE x SIDE without what is smooth: light and background are not the scene."""
    small = picture.resize((SIDE, SIDE), Image.Resampling.BOX)
    smooth = small.filter(ImageFilter.BoxBlur(SMOOTH))
    return np.asarray(small, np.float64) - np.asarray(smooth, np.float64)


def _correlations(images: F64) -> F64:
    """Of each of [N, SIDE, SIDE] with each of the others: [N, N - 1]."""
    rows = images.reshape(len(images), -1)
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    products: F64 = (rows @ rows.T)[~np.eye(len(rows), dtype=bool)]
    return products.reshape(len(rows), -1)


def _is_coloured(image: U8) -> bool:
    if len(image) == 1:
        return False
    pixels = image.astype(np.int16)
    return float(np.abs(pixels - pixels.mean(0)).mean()) > GRAY_LEVELS
