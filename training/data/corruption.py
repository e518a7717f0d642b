"""Corruption of training inputs, which the targets do not have.

Structured: small foreign shapes (blobs, scratches, patches, colour shifts, missing parts). An
autoencoder that must remove them learns what belongs in an image, and so leaves real defects
in the residual (Bauer 2024, "Self-supervised autoencoders for visual anomaly detection").
Unstructured: masked pixels and Gaussian noise, the denoising autoencoder of Vincent et al. 2010.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from codec.arrays import U8, Mask

# Sides of a spot in pixels.
SMALLEST, LARGEST = 5, 25
SHAPES = 3000
# Largest shift of a colour, in levels of 255.
STRONGEST_SHIFT = 80


def _polygon(draw: ImageDraw.ImageDraw, side: int, rng: np.random.Generator) -> None:
    angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(5, 10)))
    radii = rng.uniform(0.2, 0.5, len(angles)) * side
    x, y = side / 2 + radii * np.cos(angles), side / 2 + radii * np.sin(angles)
    draw.polygon(list(zip(x.tolist(), y.tolist(), strict=True)), fill=255)


def _scratch(draw: ImageDraw.ImageDraw, side: int, rng: np.random.Generator) -> None:
    points = rng.uniform(0, side, (rng.integers(2, 5), 2))
    draw.line([(x, y) for x, y in points.tolist()], fill=255, width=int(rng.integers(1, 5)))


def _ellipse(draw: ImageDraw.ImageDraw, side: int, rng: np.random.Generator) -> None:
    a, b = (rng.uniform(1, side, 2) / 2).tolist()
    middle = side / 2
    draw.ellipse((middle - a, middle - b, middle + a, middle + b), fill=255)


def _rectangle(draw: ImageDraw.ImageDraw, side: int, rng: np.random.Generator) -> None:
    width, height = rng.integers(-(-side // 3), side + 1, 2).tolist()
    left, top = int(rng.integers(side - width + 1)), int(rng.integers(side - height + 1))
    draw.rectangle((left, top, left + width - 1, top + height - 1), fill=255)


_DRAWINGS = (_polygon, _scratch, _ellipse, _rectangle)


def spot(rng: np.random.Generator, largest: int = LARGEST) -> Mask:
    """A random shape in a square of 5 to `largest` pixels, True where it is."""
    side = int(rng.integers(min(SMALLEST, largest), largest + 1))
    canvas = Image.new("L", (side, side))
    _DRAWINGS[rng.integers(len(_DRAWINGS))](ImageDraw.Draw(canvas), side, rng)
    return np.asarray(canvas) > 0


def spots(seed: int, size: int) -> list[Mask]:
    """Random shapes for images whose shorter side is `size`, at most half as large."""
    rng = np.random.default_rng((seed, SHAPES))
    return [spot(rng, min(LARGEST, max(1, size // 2))) for _ in range(SHAPES)]


def corrupt(images: U8, mean: float, shapes: Sequence[Mask], rng: np.random.Generator) -> U8:
    """A copy of images [B, C, H, W] with Poisson(mean) spots in each.

    A spot is black or white (60 %; each channel by itself), another piece of the same image
    (15 %), shifted in colour (10 %), missing: the mean colour of the image (10 %), or its negative
    (5 %).
    """
    images = images.copy()
    for image in images:
        for _ in range(rng.poisson(mean)):
            _put(image, shapes[int(rng.integers(len(shapes)))], rng)
    return images


def _put(image: U8, shape: Mask, rng: np.random.Generator) -> None:
    channels, height, width = image.shape
    side = len(shape)
    top, left = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
    view = image[:, top : top + side, left : left + side]
    kind = rng.random()
    if kind < 0.6:
        view[:, shape] = 255 * rng.integers(0, 2, (channels, 1), dtype=np.uint8)
    elif kind < 0.75:
        top, left = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
        view[:, shape] = image[:, top : top + side, left : left + side][:, shape]
    elif kind < 0.85:
        shift = rng.integers(-STRONGEST_SHIFT, STRONGEST_SHIFT + 1, (channels, 1))
        view[:, shape] = (view[:, shape] + shift).clip(0, 255)
    elif kind < 0.95:
        view[:, shape] = image.mean((1, 2), keepdims=True)[:, :, 0]
    else:
        view[:, shape] = 255 - view[:, shape]


def mask_pixels(images: U8, probability: float, rng: np.random.Generator) -> U8:
    """A copy of images [B, C, H, W] where a pixel is 0 in all channels with `probability`."""
    kept = rng.random((len(images), 1, *images.shape[2:])) >= probability
    return images * kept


def add_noise(images: U8, deviation: float, rng: np.random.Generator) -> U8:
    """A copy of images [B, C, H, W] with Gaussian noise, rounded and clipped to uint8.

    `deviation` is in pixel units of [0, 1].
    """
    noise = rng.standard_normal(images.shape, dtype=np.float32) * np.float32(255 * deviation)
    return (images + noise).round().clip(0, 255).astype(np.uint8)
