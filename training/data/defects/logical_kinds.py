"""Logical kinds of defects that only rank scores: each pixel is normal, its place is not."""

from __future__ import annotations

import numpy as np

from codec.arrays import F32, U8
from training.data.defects.arrays import blur
from training.data.defects.place import Rng, Scene, Spot, piece, same_place

# Part of the side of the image that a region covers.
NARROWEST, WIDEST = 0.08, 0.4
# Boxes that are compared for the best one.
TRIES = 24
# Deviation of the differences along a border, in levels, above which no smooth shift hides it.
RAGGED = 40


def _part(image: U8, rng: Rng, scale: float = 1.0) -> Spot:
    """The box that most looks like a part among random ones: contrast inside, an even border."""
    height, width = image.shape[1:]
    boxes = []
    for _ in range(TRIES):
        shares = np.exp(rng.uniform(np.log(NARROWEST), np.log(WIDEST), 2)) * scale
        rows, columns = (max(2, round(s * n)) for s, n in zip(shares, (height, width), strict=True))
        boxes.append(_box(image, min(rows, height), min(columns, width), rng))
    grays = [_gray(box) for box in boxes]
    scores = [float(gray.std()) / (4 + float(_border(gray).std())) for gray in grays]
    return boxes[int(np.argmax(scores))]


def _box(image: U8, rows: int, columns: int, rng: Rng) -> Spot:
    """A random box of that size; its mask is 1 inside and half of it at the border."""
    rows, columns = min(rows, image.shape[1]), min(columns, image.shape[2])
    top = int(rng.integers(image.shape[1] - rows + 1))
    left = int(rng.integers(image.shape[2] - columns + 1))
    mask = np.ones((rows, columns), np.float32)
    if min(rows, columns) > 6:
        mask[[0, -1]] = 0.5
        mask[:, [0, -1]] = 0.5
    return Spot(image, top, left, mask)


def _gray(spot: Spot) -> U8:
    """One channel of the box, [h, w]."""
    gray: U8 = spot.view()[len(spot.image) // 2]
    return gray


def _border(gray: U8) -> U8:
    """The first and last rows and columns, one after the other."""
    return np.concatenate([gray[0], gray[-1], gray[:, 0], gray[:, -1]])


def _elsewhere(spot: Spot, rng: Rng) -> Spot:
    """A box of the same size, at least a third of it away where the image has room for that.

    Of a few, the one whose border is most like that of `spot`: a part fits in there.
    """
    rows, columns = spot.size
    level = float(_border(_gray(spot)).mean())
    found = []
    for _ in range(TRIES // 2):
        box = _box(spot.image, rows, columns, rng)
        near = max(abs(box.top - spot.top) / rows, abs(box.left - spot.left) / columns) < 1 / 3
        border = _border(_gray(box))
        found.append((near, abs(float(border.mean()) - level) + float(border.std()), box))
    return min(found, key=lambda entry: entry[:2])[2]


def _background(spot: Spot, rng: Rng) -> F32:
    """A flat piece of the image of the same size that is like the border of `spot`, [C, h, w]."""
    level = float(np.median(_border(_gray(spot))))
    pieces = [piece(spot.image, spot.size, rng) for _ in range(TRIES)]
    grays = [cut[len(cut) // 2, ::2, ::2] for cut in pieces]
    misfits = [2 * float(gray.std()) + abs(float(gray.mean()) - level) for gray in grays]
    return pieces[int(np.argmin(misfits))]


def _paste(spot: Spot, pixels: F32, seamless: bool) -> None:
    """Puts pixels [C, h, w] into the box; if seamless, shifted so that the border is continuous.

    The shift is the difference at the border, continued smoothly over the box.
    """
    ring = np.ones_like(spot.mask)
    ring[1:-1, 1:-1] = 0
    difference = spot.pixels() - pixels
    if seamless and float(difference[:, ring > 0].std()) < RAGGED:
        radius = max(1, min(spot.size) // 3)
        pixels = pixels + blur(difference * ring, radius) / blur(ring, radius).clip(1e-3)
    spot.blend(pixels, 1.0)


def _coin(rng: Rng) -> bool:
    return bool(rng.random() < 0.5)


def moved(image: U8, scene: Scene, rng: Rng) -> None:
    """A part is elsewhere; its place has what another image has there, or background."""
    spot = _part(image, rng)
    part, other, seamless = spot.pixels(), _elsewhere(spot, rng), _coin(rng)
    if _coin(rng):
        _paste(spot, same_place(scene.other(rng), spot), seamless)
    else:
        _paste(spot, _background(spot, rng), seamless=True)
    _paste(other, part, seamless)


def doubled(image: U8, scene: Scene, rng: Rng) -> None:  # noqa: ARG001
    """A part is there twice."""
    spot = _part(image, rng)
    _paste(_elsewhere(spot, rng), spot.pixels(), _coin(rng))


def lacking(image: U8, scene: Scene, rng: Rng) -> None:  # noqa: ARG001
    """A part is not there; the background around it is in its place."""
    spot = _part(image, rng)
    _paste(spot, _background(spot, rng), seamless=True)


def foreign(image: U8, scene: Scene, rng: Rng) -> None:
    """A region is that of another image at the same place: right by itself, wrong together."""
    spot = _part(image, rng)
    _paste(spot, same_place(scene.other(rng), spot), _coin(rng))


def swapped(image: U8, scene: Scene, rng: Rng) -> None:  # noqa: ARG001
    """Two regions of the same size have changed places."""
    spot = _part(image, rng)
    other, seamless = _elsewhere(spot, rng), _coin(rng)
    first, second = spot.pixels(), other.pixels()
    _paste(spot, second, seamless)
    _paste(other, first, seamless)


def level(image: U8, scene: Scene, rng: Rng) -> None:  # noqa: ARG001
    """A boundary inside a region has moved, like the surface of a liquid: one side is longer."""
    spot = _part(image, rng, 1.4)
    pixels = spot.pixels()
    turned = pixels.transpose(0, 2, 1) if rng.random() < 0.35 else pixels
    rows = turned.shape[1]
    if rows < 2:
        return
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
    spot = _part(image, rng, 1.6)
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
