"""A bank of soft masks, drawn once: what is drawn slowly is drawn before training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from codec.arrays import F32, U8
from training.data.defects.areas import blob, ellipse, grains, polygon, rectangle
from training.data.defects.lines import crack, fibre, ring, scratch, scuff

SMALLEST = 2
# Shapes that a few pixels cannot show are at least that large.
_SMALLEST = {"crack": 5, "grains": 5, "fibre": 10, "scuff": 10}
# Rows and columns of zeros around a mask: the surroundings that a kind of defect looks at.
MARGIN = 3
# Masks of each shape.
COUNT = 250
# A value of a mask that counts as nothing.
_NOTHING = 6 / 255

_LINES = {
    "scratch": scratch,
    "crack": crack,
    "ring": ring,
    "fibre": fibre,
    "scuff": scuff,
}
_AREAS = {"polygon": polygon, "ellipse": ellipse, "rectangle": rectangle, "grains": grains}
SHAPES = (*_LINES, *_AREAS, "blob")


@dataclass(frozen=True, slots=True)
class Bank:
    """Soft masks by shape."""

    masks: Mapping[str, tuple[U8, ...]]
    """uint8 [h, w], 255 inside; each cut to its extent and a margin of 3 zeros"""

    def choose(self, shapes: tuple[str, ...], rng: np.random.Generator) -> F32:
        """A mask of one of the shapes, mirrored and turned at random: [h, w] in [0, 1]."""
        masks = self.masks[shapes[int(rng.integers(len(shapes)))]]
        mask = masks[int(rng.integers(len(masks)))]
        turn = int(rng.integers(8))
        mask = mask[:: 1 - 2 * (turn & 1), :: 1 - 2 * (turn >> 1 & 1)]
        return (mask.T if turn & 4 else mask) * np.float32(1 / 255)


def draw_bank(seed: int, height: int, width: int) -> Bank:
    """Masks for images of `height` x `width` pixels.

    The longer side of a mask has 2 pixels up to half of √(height · width); half of them are
    shorter than a quarter of the largest.
    """
    largest = max(SMALLEST, round(math.sqrt(height * width) / 2))
    return Bank(
        {
            shape: _masks(shape, largest, np.random.default_rng((seed, number)))
            for number, shape in enumerate(SHAPES)
        }
    )


def _masks(shape: str, largest: int, rng: np.random.Generator) -> tuple[U8, ...]:
    smallest = min(_SMALLEST.get(shape, SMALLEST), largest)
    sides = smallest * ((largest + 0.5) / smallest) ** (rng.random(COUNT) ** 0.75)
    return tuple(_framed(_mask(shape, round(side), rng)) for side in sides.tolist())


def _mask(shape: str, side: int, rng: np.random.Generator) -> F32:
    """A shape in a square of `side` pixels and the border that a soft edge needs."""
    if shape == "blob":
        return blob(side + 2, rng)
    # Drawn larger and then reduced, so that edges and thin lines are smooth.
    scale = 4 if side <= 64 else 2
    border = 1 + side // 6
    canvas = Image.new("L", (scale * side, scale * side))
    width = math.exp(rng.uniform(math.log(0.7), math.log(max(1.0, side / 7))))
    function = {**_LINES, **_AREAS}[shape]
    function(ImageDraw.Draw(canvas), scale * side, scale * width, rng)
    picture = Image.new("L", (side + 2 * border, side + 2 * border))
    picture.paste(canvas.reduce(scale), (border, border))
    if rng.random() < 0.6:
        softest = max(0.5, width / 3 if shape in _LINES else side / 12)
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, softest)))
    return np.asarray(picture, np.float32) / np.float32(255)


def _framed(mask: F32) -> U8:
    """The mask, scaled so that its peak is 1, cut to its extent and framed by the margin."""
    mask = mask / max(float(mask.max()), 1e-6)
    inside = mask > _NOTHING
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    if not len(rows):
        mask, rows, columns = np.ones((1, 1), np.float32), np.zeros(1, int), np.zeros(1, int)
    cut = np.where(mask > _NOTHING, mask, 0)[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return np.pad((255 * cut).round().astype(np.uint8), MARGIN)
