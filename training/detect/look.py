"""What a folder of normal images is like: colour, sizes, and whether the scene is always the same.

The tests compare held-out images with changed copies of themselves under a small PCA of the other
images: if a shift, a mirror image or a turn is as well explained as the image itself, then the
training images do not depend on it either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from codec.arrays import F64, U8
from training.data.image_files import Images
from training.metrics.images import evenly

# Images that are looked at, the side to which they are reduced, and components of the PCA.
LOOKED_AT, SIDE, COMPONENTS = 400, 48, 20
# Radius of the mean that is subtracted.
SMOOTH = 3
# A shift of this many pixels of SIDE, about a tenth.
SHIFT = 4
# Channels that differ by less, on average, are those of a gray image (JPEG moves them a little).
GRAY_LEVELS = 1.0
# The error of shifted images over that of the images: above it the scene is registered.
REGISTERED = 2.5
# The same of mirrored and turned images: below it they could be training images.
FREE = 1.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What was measured on the training images."""

    count: int
    channels: int
    """1 gray, 3 colour"""
    smallest: tuple[int, int]
    """(height, width) of the image with the shortest side, pixels"""
    largest: tuple[int, int]
    """(height, width) of the image with the most pixels"""
    shift: float
    """error of shifted over that of unshifted images"""
    mirror: float
    """the same of images that are mirrored left to right"""
    turn: float
    """the same of images that are turned by 90 degrees"""

    @property
    def one_size(self) -> bool:
        """All images have one size."""
        return self.smallest == self.largest

    @property
    def registered(self) -> bool:
        """The same scene in the same place: a shift is seen."""
        return self.shift > REGISTERED

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
    reduced = np.stack([_reduced(image) for image in chosen])
    order = np.random.default_rng(0).permutation(len(reduced))
    fitted, tested = reduced[order[::2]], reduced[order[1::2]]
    error = _pca_error(fitted)
    usual = max(error(tested), 1e-12)
    return Facts(
        count=len(images),
        channels=3 if any(_is_coloured(image) for image in chosen) else 1,
        smallest=min(shapes, key=lambda shape: (min(shape), shape)),
        largest=max(shapes, key=lambda shape: (shape[0] * shape[1], shape)),
        shift=float(np.mean([error(moved) for moved in _shifted(tested)])) / usual,
        mirror=error(tested[:, :, ::-1]) / usual,
        turn=float(np.mean([error(np.rot90(tested, k, (1, 2))) for k in (1, 3)])) / usual,
    )


def _reduced(image: U8) -> F64:
    """Gray, SIDE x SIDE, without what is smooth: light and background are not the scene."""
    gray = Image.fromarray(image.mean(0).round().astype(np.uint8))
    small = gray.resize((SIDE, SIDE), Image.Resampling.BOX)
    smooth = small.filter(ImageFilter.BoxBlur(SMOOTH))
    return np.asarray(small, np.float64) - np.asarray(smooth, np.float64)


def _is_coloured(image: U8) -> bool:
    if len(image) == 1:
        return False
    pixels = image.astype(np.int16)
    return float(np.abs(pixels - pixels.mean(0)).mean()) > GRAY_LEVELS


def _shifted(images: F64) -> list[F64]:
    """Shifted up, down, left and right; what comes in repeats the edge."""
    padded = np.pad(images, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT)), mode="edge")
    places = ((0, SHIFT), (2 * SHIFT, SHIFT), (SHIFT, 0), (SHIFT, 2 * SHIFT))
    return [padded[:, top : top + SIDE, left : left + SIDE] for top, left in places]


def _pca_error(images: F64) -> Callable[[F64], float]:
    """A function: the mean squared error of images [N, SIDE, SIDE] under the PCA of these."""
    rows = images.reshape(len(images), -1)
    mean = rows.mean(0)
    count = max(1, min(COMPONENTS, len(images) // 4))
    basis = np.linalg.svd(rows - mean, full_matrices=False)[2][:count]

    def error(others: F64) -> float:
        residual = others.reshape(len(others), -1) - mean
        residual = residual - residual @ basis.T @ basis
        return float((residual**2).mean())

    return error
