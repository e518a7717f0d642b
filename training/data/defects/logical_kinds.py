"""Logical kinds of defects that only rank scores: each pixel is normal, its place is not."""

from __future__ import annotations

import numpy as np

from codec.arrays import F32, U8
from training.data.defects.arrays import blur
from training.data.defects.place import Rng, Scene, Spot, piece, same_place

# Part of the side of the image that a region covers.
NARROWEST, WIDEST = 0.1, 0.45
TRIES = 6


def _region(image: U8, rng: Rng, scale: float = 1.0) -> Spot:
    """The box with the most contrast of a few random ones: parts are there, not background."""
    height, width = image.shape[1:]
    boxes = []
    for _ in range(TRIES):
        shares = np.exp(rng.uniform(np.log(NARROWEST), np.log(WIDEST), 2)) * scale
        rows, columns = (max(2, round(s * n)) for s, n in zip(shares, (height, width), strict=True))
        rows, columns = min(rows, height), min(columns, width)
        boxes.append(_box(image, rows, columns, rng))
    spreads = [float(box.view()[:, ::2, ::2].std()) for box in boxes]
    return boxes[int(np.argmax(spreads))]


def _box(image: U8, rows: int, columns: int, rng: Rng) -> Spot:
    """A random box of that size; its mask is 1 inside and falls off over one or two pixels."""
    top = int(rng.integers(image.shape[1] - rows + 1))
    left = int(rng.integers(image.shape[2] - columns + 1))
    mask = np.ones((rows, columns), np.float32)
    if min(rows, columns) > 6:
        mask[[0, -1]] = 0.5
        mask[:, [0, -1]] = 0.5
    return Spot(image, top, left, mask)


def _background(spot: Spot, rng: Rng) -> F32:
    """The flattest of a few pieces of the image of the same size, [C, h, w]."""
    pieces = [piece(spot.image, spot.size, rng) for _ in range(TRIES)]
    return pieces[int(np.argmin([float(cut[:, ::2, ::2].std()) for cut in pieces]))]


def _elsewhere(spot: Spot, rng: Rng) -> Spot:
    """A box of the same size at least a third of it away, where the image has room for that."""
    rows, columns = spot.mask.shape
    for _ in range(TRIES):
        other = _box(spot.image, rows, columns, rng)
        away = abs(other.top - spot.top) / rows, abs(other.left - spot.left) / columns
        if max(away) > 1 / 3:
            break
    return other


def moved(image: U8, scene: Scene, rng: Rng) -> None:
    """A part is elsewhere; its place has what another image has there."""
    spot = _region(image, rng)
    part, other = spot.pixels(), _elsewhere(spot, rng)
    spot.blend(same_place(scene.other(rng), spot), 1.0)
    other.blend(part, 1.0)


def doubled(image: U8, scene: Scene, rng: Rng) -> None:  # noqa: ARG001
    """A part is there twice."""
    spot = _region(image, rng)
    _elsewhere(spot, rng).blend(spot.pixels(), 1.0)


def lacking(image: U8, scene: Scene, rng: Rng) -> None:  # noqa: ARG001
    """A part is not there; background is in its place."""
    spot = _region(image, rng)
    spot.blend(_background(spot, rng), 1.0)


def foreign(image: U8, scene: Scene, rng: Rng) -> None:
    """A region is that of another image at the same place: right by itself, wrong together."""
    spot = _region(image, rng)
    spot.blend(same_place(scene.other(rng), spot), 1.0)


def swapped(image: U8, scene: Scene, rng: Rng) -> None:  # noqa: ARG001
    """Two regions of the same size have changed places."""
    spot = _region(image, rng)
    other = _elsewhere(spot, rng)
    first, second = spot.pixels(), other.pixels()
    spot.blend(second, 1.0)
    other.blend(first, 1.0)


def level(image: U8, scene: Scene, rng: Rng) -> None:  # noqa: ARG001
    """A boundary inside a region has moved, like the surface of a liquid: one side is longer."""
    spot = _region(image, rng, 1.4)
    pixels = spot.pixels()
    turned = pixels.transpose(0, 2, 1) if rng.random() < 0.35 else pixels
    rows = turned.shape[1]
    steps = np.abs(np.diff(turned.mean(2), axis=1)).sum(0)
    edge = int(steps.argmax()) + 1
    far = max(1, round(rows * rng.uniform(0.1, 0.5)))
    places = np.arange(rows)
    if rng.random() < 0.5:
        places[edge : edge + far] = edge - 1 - np.arange(len(places[edge : edge + far])) % edge
    else:
        start = max(0, edge - far)
        places[start:edge] = edge + (edge - 1 - np.arange(start, edge)) % (rows - edge)
    turned[...] = turned[:, places]
    spot.blend(pixels, 1.0)


def dimmed(image: U8, scene: Scene, rng: Rng) -> None:  # noqa: ARG001
    """A whole region is darker or brighter by 8 to 35 %, with a hard or a soft border."""
    spot = _region(image, rng, 1.6)
    factor = 1 + rng.uniform(0.08, 0.35) * (1 - 2 * int(rng.integers(2)))
    mask = spot.mask
    if rng.random() < 0.5:
        radius = max(1, min(mask.shape) // 6)
        inner = np.zeros_like(mask)
        inner[radius:-radius, radius:-radius] = 1
        mask = blur(inner, radius)
    pixels = spot.pixels()
    spot.write(pixels * (1 + mask * np.float32(factor - 1)))


LOGICAL_KINDS = {
    "moved": moved,
    "doubled": doubled,
    "lacking": lacking,
    "foreign": foreign,
    "swapped": swapped,
    "level": level,
    "dimmed": dimmed,
}
