"""The set as a folder in the layout of MVTec AD, all of it from a seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from codec.arrays import U8, Mask
from detection.drawn_parts.defects import KINDS
from detection.drawn_parts.part import Lot, Part, draw_lot, draw_part
from detection.drawn_parts.render import render
from detection.drawn_parts.view import (
    Texture,
    View,
    draw_texture,
    draw_view,
    drifted,
    expose,
    lit,
)

# A pixel of a mask differs from the same part without its defect by more levels than this.
VISIBLE = 2.0
# A defect that changes fewer pixels is drawn again.
LEAST = 12
TRIES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many images there are of each kind."""

    train: int = 400
    good: int = 100
    of_each_kind: int = 25
    drift: int = 120
    lots: int = 25


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A sound part in front of the camera."""

    part: Part
    lot: Lot
    view: View
    texture: Texture
    noise: int
    """seed of the sensor's noise"""

    def levels(self, part: Part | None = None) -> np.ndarray:
        """Gray levels without noise, [256, 256]; of another part in the same place if given."""
        return lit(render(part or self.part, self.lot, self.view, self.texture), self.view)

    def image(self, part: Part | None = None) -> U8:
        """What the camera gives, [256, 256]."""
        return expose(self.levels(part), self.view, np.random.default_rng(self.noise))


def scene(seed: int, stream: str, number: int, lots: int, share: float = 0.0) -> Scene:
    """The scene of that number in a stream of images; `share` of a day has drifted by."""
    rng = np.random.default_rng((seed, *stream.encode(), number))
    which = int(rng.integers(lots))
    lot = draw_lot(np.random.default_rng((seed, *b"lot", which)))
    view = draw_view(rng)
    return Scene(
        part=draw_part(lot, rng),
        lot=lot,
        view=drifted(view, share) if share else view,
        texture=draw_texture(rng),
        noise=int(rng.integers(2**32)),
    )


def defective(seed: int, kind: str, number: int, sizes: Sizes) -> tuple[Scene, Part, Mask]:
    """A scene, the part with a defect in it, and where it shows.

    The first of each kind is obvious, the last one faint. Raises ValueError if no try is visible.
    """
    found = scene(seed, kind, number, sizes.lots)
    strength = (1 - (number + 0.5) / max(1, sizes.of_each_kind)) ** 1.5
    clean = found.levels()
    for attempt in range(TRIES):
        rng = np.random.default_rng((seed, *kind.encode(), number, attempt))
        part = KINDS[kind](found.part, rng, strength)
        mask = np.abs(found.levels(part) - clean) > VISIBLE
        if mask.sum() >= LEAST:
            return found, part, _closed(mask)
    raise ValueError(f"{kind} {number}: not visible in {TRIES} tries")


def _closed(mask: Mask) -> Mask:
    """The mask and the pixels next to it, so that a thin line is one region."""
    wide = np.pad(mask, 1)
    rows = wide[:-2] | wide[1:-1] | wide[2:]
    return rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:]


def images(seed: int, sizes: Sizes) -> Iterator[tuple[str, U8]]:
    """Every file of the set: its path without suffix and its pixels [256, 256]."""
    for stream, count in (("train/good", sizes.train), ("test/good", sizes.good)):
        for number in range(count):
            yield f"{stream}/{number:03d}", scene(seed, stream, number, sizes.lots).image()
    for kind in KINDS:
        for number in range(sizes.of_each_kind):
            found, part, mask = defective(seed, kind, number, sizes)
            yield f"test/{kind}/{number:03d}", found.image(part)
            yield f"ground_truth/{kind}/{number:03d}_mask", 255 * mask.astype(np.uint8)
    for number in range(sizes.drift):
        share = number / max(1, sizes.drift - 1)
        drift = scene(seed, "drift", number, sizes.lots, share)
        yield f"drift/{number:03d}", drift.image()


def write(folder: Path, seed: int, sizes: Sizes | None = None) -> None:
    """Writes the set as PNG files below a folder."""
    for name, pixels in images(seed, sizes or Sizes()):
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
