"""Kinds of defects that are trained with: what replaces the pixels inside a mask."""

from __future__ import annotations

import numpy as np

from codec.arrays import F32, U8
from training.data.defects.arrays import blur, sample, smooth_noise
from training.data.defects.place import Rng, Scene, Spot, piece, place, turned_piece

SHAPES = (
    *("scratch", "crack", "blob", "blob", "polygon", "ellipse", "rectangle", "rectangle"),
    *("ring", "grains"),
)
FAINTEST = 0.15


def fill(name: str, image: U8, scene: Scene, rng: Rng) -> None:
    """Draws a defect of one kind on image [C, H, W] in place, with an opacity of 0.15 to 1."""
    spot = place(image, scene.bank.choose(SHAPES, rng), rng)
    spot.blend(FILLS[name](spot, scene, rng), rng.uniform(FAINTEST, 1))


def colour(spot: Spot, scene: Scene, rng: Rng) -> F32:
    """Black, white, a gray, any colour, or that of a pixel of another image."""
    channels, kind = len(spot.image), rng.random()
    if kind < 0.25:
        level = 255.0 * rng.integers(0, 2, (channels if rng.random() < 0.5 else 1, 1, 1))
    elif kind < 0.75:
        level = rng.uniform(0, 255, (channels if rng.random() < 0.7 else 1, 1, 1))
    else:
        level = piece(scene.other(rng), (1, 1), rng)
    drawn: F32 = level.astype(np.float32)
    return drawn


def texture(spot: Spot, scene: Scene, rng: Rng) -> F32:
    """A piece of the same image or another one, as it is, mirrored, turned or scaled."""
    source = spot.image if rng.random() < 0.4 else scene.other(rng)
    cut = piece if rng.random() < 0.6 else turned_piece
    return cut(source, spot.size, rng)


def shift(spot: Spot, scene: Scene, rng: Rng) -> F32:  # noqa: ARG001
    """Brighter or darker; each channel by itself in half of the cases."""
    channels = len(spot.image) if rng.random() < 0.5 else 1
    size = rng.uniform(12, 130, (channels, 1, 1)) * (1 - 2 * rng.integers(0, 2, (channels, 1, 1)))
    return spot.pixels() + size.astype(np.float32)


def blurred(spot: Spot, scene: Scene, rng: Rng) -> F32:  # noqa: ARG001
    """Without its detail."""
    return blur(spot.pixels(), int(rng.integers(1, 5)))


def warp(spot: Spot, scene: Scene, rng: Rng) -> F32:  # noqa: ARG001
    """Moved by a few pixels, most in the middle of the mask."""
    angle = rng.uniform(0, 2 * np.pi)
    far = spot.mask * rng.uniform(1.5, max(3.0, min(8.0, max(spot.mask.shape) / 4)))
    rows = spot.top + np.arange(spot.mask.shape[0])[:, None] + far * np.sin(angle)
    columns = spot.left + np.arange(spot.mask.shape[1]) + far * np.cos(angle)
    return sample(spot.image, rows, columns)


def missing(spot: Spot, scene: Scene, rng: Rng) -> F32:  # noqa: ARG001
    """What is around the mask: its mean, or its smooth continuation."""
    outside = (spot.mask < 0.05).astype(np.float32)
    pixels = spot.pixels()
    if rng.random() < 0.3:
        total = (pixels * outside).sum((1, 2), keepdims=True)
        return np.asarray(total / outside.sum().clip(1), np.float32)
    radius = max(2, max(spot.mask.shape) // 4)
    known = blur(outside, radius).clip(1e-3)
    return np.asarray(blur(pixels * outside, radius) / known, np.float32)


def noise(spot: Spot, scene: Scene, rng: Rng) -> F32:  # noqa: ARG001
    """Gaussian noise of 12 to 90 levels, coarse or fine."""
    channels = len(spot.image) if rng.random() < 0.5 else 1
    if rng.random() < 0.5:
        field = rng.standard_normal((channels, *spot.size), dtype=np.float32)
    else:
        sigma = rng.uniform(0.6, 2.5)
        field = np.stack([smooth_noise(rng, spot.size, sigma) for _ in range(channels)])
    return spot.pixels() + field * np.float32(rng.uniform(12, 90))


def contrast(spot: Spot, scene: Scene, rng: Rng) -> F32:  # noqa: ARG001
    """Flatter or stronger around its mean."""
    pixels = spot.pixels()
    mean = pixels.mean((1, 2), keepdims=True)
    factor = rng.uniform(0, 0.6) if rng.random() < 0.5 else rng.uniform(1.6, 4)
    changed: F32 = mean + (pixels - mean) * np.float32(factor)
    return changed


def inverted(spot: Spot, scene: Scene, rng: Rng) -> F32:  # noqa: ARG001
    """The negative, of the levels or around the mean of the box."""
    pixels = spot.pixels()
    if rng.random() < 0.5:
        return 255 - pixels
    negative: F32 = 2 * pixels.mean((1, 2), keepdims=True) - pixels
    return negative


FILLS = {
    "colour": colour,
    "texture": texture,
    "shift": shift,
    "blur": blurred,
    "warp": warp,
    "missing": missing,
    "noise": noise,
    "contrast": contrast,
    "inversion": inverted,
}
