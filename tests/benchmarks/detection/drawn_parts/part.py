"""What a part is: a plate with holes and marks, and what may be wrong with it.

Places are in pixels from the middle of the plate, x to the right and y downwards.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detection.drawn_parts.shapes import Line, Point

Rng = np.random.Generator

HALF = (98.0, 78.0)
CORNER = 16.0
BORE, POCKET = 20.0, 31.0
BOLT_CIRCLE, BOLTS = 43.0, 6
TITLE, TITLE_PLACE, TITLE_SCALE = "RED-214", (-84.0, -66.0), 2.6
CODE_PLACE, CODE_SCALE = (50.0, 54.0), 2.2


@dataclass(frozen=True, slots=True)
class Hole:
    """A hole through the plate, with a chamfer around it."""

    middle: Point
    radius: float
    rim: float
    """width of the chamfer"""


@dataclass(frozen=True, slots=True)
class Mark:
    """An engraved character."""

    character: str
    place: Point
    """upper left corner"""
    scale: float


@dataclass(frozen=True, slots=True)
class Burr:
    """Metal that stands out over the edge of the plate or of the bore, or is broken out of it."""

    middle: Point
    radius: float
    height: float
    """pixels; negative: a nick"""


@dataclass(frozen=True, slots=True)
class Crack:
    """Lines, the first one thickest, darker than the surface by the share `depth`."""

    lines: tuple[Line, ...]
    width: float
    depth: float


@dataclass(frozen=True, slots=True)
class Dent:
    """A smooth hollow: shading of a bell of these half axes, turned by `angle` radians."""

    middle: Point
    axes: Point
    angle: float
    slope: float


@dataclass(frozen=True, slots=True)
class Stain:
    """Dried liquid: darker by the share `depth`, more so at its rim."""

    middle: Point
    radius: float
    waves: tuple[float, ...]
    """cosine and sine of the waves of its outline, from the second on"""
    depth: float


@dataclass(frozen=True, slots=True)
class Scratch:
    """A groove: a dark line with a bright one next to it."""

    line: Line
    width: float
    depth: float


@dataclass(frozen=True, slots=True)
class Part:
    """One part, sound unless one of the last five is there."""

    holes: tuple[Hole, ...]
    marks: tuple[Mark, ...]
    burrs: tuple[Burr, ...] = ()
    cracks: tuple[Crack, ...] = ()
    dents: tuple[Dent, ...] = ()
    stains: tuple[Stain, ...] = ()
    scratches: tuple[Scratch, ...] = ()


@dataclass(frozen=True, slots=True)
class Lot:
    """What parts of one lot have in common."""

    gray: float
    """brightness of the plate, in [0, 1]"""
    brushing: float
    """depth of the texture"""
    engraving: float
    """depth of the marks"""
    stroke: float
    """half the width of their lines in pixels"""
    tolerance: float
    """deviation of a hole from its place in pixels"""
    code: str
    belt: float
    """brightness of the belt, in [0, 1]"""


def draw_lot(rng: Rng) -> Lot:
    """A lot at random."""
    return Lot(
        gray=rng.uniform(0.5, 0.64),
        brushing=rng.uniform(0.03, 0.075),
        engraving=rng.uniform(0.25, 0.45),
        stroke=rng.uniform(0.75, 1.05),
        tolerance=rng.uniform(0.1, 0.35),
        code="".join(rng.choice(list("0123456789"), 4)),
        belt=rng.uniform(0.13, 0.2),
    )


def write(text: str, place: Point, scale: float) -> tuple[Mark, ...]:
    """The characters of a text; its upper left corner is at `place`."""
    return tuple(
        Mark(character, (place[0] + 3.0 * scale * i, place[1]), scale)
        for i, character in enumerate(text)
    )


def draw_part(lot: Lot, rng: Rng) -> Part:
    """A sound part: each hole within the tolerance of its place, the marks a little displaced."""
    angles = np.pi * (2 * np.arange(BOLTS) / BOLTS + 1 / BOLTS)
    ring = [(BOLT_CIRCLE * np.cos(a), BOLT_CIRCLE * np.sin(a)) for a in angles]
    corners = [(x, y) for x in (-80.0, 80.0) for y in (-38.0, 38.0)]
    pins = [(-60.0, 62.0), (-40.0, 62.0), (-20.0, 62.0)]
    nominal = [Hole((0.0, 0.0), BORE, 3.0)]
    nominal += [Hole(place, 9.0, 2.5) for place in corners]
    nominal += [Hole(place, 4.0, 1.5) for place in (*ring, *pins)]
    holes = tuple(
        Hole(
            (
                hole.middle[0] + rng.normal(0, lot.tolerance),
                hole.middle[1] + rng.normal(0, lot.tolerance),
            ),
            hole.radius + rng.normal(0, 0.12),
            hole.rim,
        )
        for hole in nominal
    )
    shift = rng.normal(0, 0.5, 2)
    title = write(TITLE, (TITLE_PLACE[0] + shift[0], TITLE_PLACE[1] + shift[1]), TITLE_SCALE)
    code = write(lot.code, (CODE_PLACE[0] + shift[0], CODE_PLACE[1] + shift[1]), CODE_SCALE)
    return Part(holes=holes, marks=title + code)
