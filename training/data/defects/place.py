"""Where a defect is: a box of an image, the mask inside it, and what other images have there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from codec.arrays import F32, U8
from training.data.defects.arrays import mirrored, sample
from training.data.defects.bank import Bank
from training.data.image_files import Images

Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class Scene:
    """What a defect can be made of."""

    others: Images
    """normal images uint8 [C, h, w] of any size"""
    bank: Bank

    def other(self, rng: Rng) -> U8:
        """One of the other images."""
        image: U8 = self.others[int(rng.integers(len(self.others)))]
        return image


@dataclass(frozen=True, slots=True)
class Spot:
    """A box of an image [C, H, W] and a soft mask in it."""

    image: U8
    top: int
    left: int
    mask: F32
    """[h, w] in [0, 1]"""

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the box."""
        height, width = self.mask.shape
        return height, width

    def pixels(self) -> F32:
        """A copy of the pixels in the box, [C, h, w]."""
        return self.view().astype(np.float32)

    def view(self) -> U8:
        """The box itself, [C, h, w]."""
        height, width = self.size
        return self.image[:, self.top : self.top + height, self.left : self.left + width]

    def write(self, pixels: F32) -> None:
        """Sets the box to pixels [C, h, w], rounded and clipped."""
        self.view()[...] = pixels.round().clip(0, 255).astype(np.uint8)

    def blend(self, pixels: F32, opacity: float) -> None:
        """Moves the box towards pixels (broadcast to [C, h, w]), by mask times opacity."""
        old = self.pixels()
        self.write(old + self.mask * np.float32(opacity) * (pixels - old))


def steepest(image: U8, rng: Rng, tries: int) -> tuple[int, int]:
    """The (row, column) with the steepest edge among `tries` random ones of [C, H, W]."""
    height, width = image.shape[1:]
    rows, columns = rng.integers(0, height, tries), rng.integers(0, width, tries)
    down, right = (rows + 2).clip(max=height - 1), (columns + 2).clip(max=width - 1)
    here = image[:, rows, columns].astype(np.int16)
    steep = np.abs(image[:, down, columns] - here) + np.abs(image[:, rows, right] - here)
    best = int(steep.sum(0).argmax())
    return int(rows[best]), int(columns[best])


def place(image: U8, mask: F32, rng: Rng, tries: int = 8) -> Spot:
    """The mask somewhere on the image, a part outside cut off.

    Every second one is at the steepest edge among `tries` places: an object may be small, and its
    background large.
    """
    height, width = image.shape[1:]
    row, column = steepest(image, rng, tries if rng.random() < 0.5 else 1)
    top, left = row - mask.shape[0] // 2, column - mask.shape[1] // 2
    bottom, right = top + mask.shape[0], left + mask.shape[1]
    cut = mask[max(0, -top) : height - top, max(0, -left) : width - left]
    return Spot(image, max(0, top), max(0, left), cut[: min(bottom, height), : min(right, width)])


def same_place(other: U8, spot: Spot) -> F32:
    """What another image has in the box, [C, h, w]; relative to its size if that differs."""
    (height, width), (rows, columns) = spot.size, spot.image.shape[1:]
    if other.shape == spot.image.shape:
        box = other[:, spot.top : spot.top + height, spot.left : spot.left + width]
        return box.astype(np.float32)
    down = (spot.top + np.arange(height) + 0.5) * other.shape[1] / rows - 0.5
    across = (spot.left + np.arange(width) + 0.5) * other.shape[2] / columns - 0.5
    return sample(other, *np.broadcast_arrays(down[:, None], across))


def piece(source: U8, size: tuple[int, int], rng: Rng) -> F32:
    """A random piece of an image as it is, mirrored or turned by 90 degrees: [C, h, w].

    A source that is smaller is continued as in a mirror.
    """
    turn = int(rng.integers(8)) if rng.random() < 0.6 else 0
    rows, columns = size[::-1] if turn & 4 else size
    top = int(rng.integers(max(1, source.shape[1] - rows + 1)))
    left = int(rng.integers(max(1, source.shape[2] - columns + 1)))
    if rows > source.shape[1] or columns > source.shape[2]:
        down = mirrored(np.arange(top, top + rows), source.shape[1])
        cut = source[:, down[:, None], mirrored(np.arange(left, left + columns), source.shape[2])]
    else:
        cut = source[:, top : top + rows, left : left + columns]
    cut = cut[:, :: 1 - 2 * (turn & 1), :: 1 - 2 * (turn >> 1 & 1)]
    return (cut.transpose(0, 2, 1) if turn & 4 else cut).astype(np.float32)


def turned_piece(source: U8, size: tuple[int, int], rng: Rng) -> F32:
    """A random piece of an image at any angle, 0.6 to 1.7 times as large: [C, h, w]."""
    angle, step = rng.uniform(0, 2 * np.pi), np.exp(rng.uniform(-0.5, 0.5))
    cos, sin = np.cos(angle) * step, np.sin(angle) * step
    down, across = np.arange(size[0])[:, None] - size[0] / 2, np.arange(size[1]) - size[1] / 2
    rows = rng.uniform(0, source.shape[1]) + cos * down + sin * across
    columns = rng.uniform(0, source.shape[2]) - sin * down + cos * across
    return sample(source, rows, columns)
