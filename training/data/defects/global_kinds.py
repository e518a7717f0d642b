"""Global kinds of defects that only rank scores: the whole image is another one than expected."""

from __future__ import annotations

import numpy as np

from codec.arrays import F32, U8
from training.data.defects.arrays import sample, smooth_noise
from training.data.defects.place import Rng, Scene, Spot, same_place

# Largest displacement of a bent image and the deviation of its smoothing, in parts of the side.
BEND, SMOOTHNESS = 0.12, 0.125


def _all(image: U8) -> Spot:
    """The image as one box."""
    return Spot(image, 0, 0, np.ones(image.shape[1:], np.float32))


def blended(image: U8, scene: Scene, rng: Rng) -> None:
    """The mean of two images, as if both were there."""
    spot = _all(image)
    spot.blend(same_place(scene.other(rng), spot), 0.5)


def turned(image: U8, scene: Scene, rng: Rng) -> None:  # noqa: ARG001
    """Mirrored, upside down, or turned by 90 degrees if its sides are equal."""
    square = image.shape[1] == image.shape[2]
    turns = [image[:, :, ::-1], image[:, ::-1], image[:, ::-1, ::-1]]
    turns += [np.rot90(image, turn, (1, 2)) for turn in ((1, 3) if square else ())]
    image[...] = turns[int(rng.integers(len(turns)))].copy()


def halved(image: U8, scene: Scene, rng: Rng) -> None:
    """One half, upper or left, is that of another image."""
    other = same_place(scene.other(rng), _all(image)).round().astype(np.uint8)
    _, height, width = image.shape
    if rng.random() < 0.5:
        image[:, : height // 2] = other[:, : height // 2]
    else:
        image[:, :, : width // 2] = other[:, :, : width // 2]


def bent(image: U8, scene: Scene, rng: Rng) -> None:  # noqa: ARG001
    """Smoothly out of shape: each pixel is displaced by at most an eighth of the side."""
    size = image.shape[1], image.shape[2]
    rows = np.arange(size[0])[:, None] + _displacement(size, rng)
    columns = np.arange(size[1]) + _displacement(size, rng)
    image[...] = sample(image, rows, columns).round().clip(0, 255).astype(np.uint8)


def _displacement(size: tuple[int, int], rng: Rng) -> F32:
    """A smooth field [h, w] of pixels."""
    side = min(size)
    noise = smooth_noise(rng, size, SMOOTHNESS * side)
    scaled: F32 = noise * np.float32(BEND * side / max(float(np.abs(noise).max()), 1e-6))
    return scaled


GLOBAL_KINDS = {"blended": blended, "turned": turned, "halved": halved, "bent": bent}
