"""Parts with a defect: eight kinds, from obvious (strength 1) to faint (0).

They change the part before it is drawn, and share no code with the defects that training draws.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from detection.drawn_parts import glyphs
from detection.drawn_parts.part import (
    HALF,
    POCKET,
    TITLE,
    Burr,
    Crack,
    Dent,
    Hole,
    Part,
    Rng,
    Scratch,
    Stain,
)
from detection.drawn_parts.shapes import Line, Point

# Characters that look most like another one: what is engraved by mistake and hard to see.
_SIMILAR = {"R": "A", "E": "6", "D": "0", "2": "3", "1": "7", "4": "9", "-": "1"}


def _between(faint: float, strong: float, strength: float) -> float:
    return faint + (strong - faint) * strength


def missing_hole(part: Part, rng: Rng, strength: float) -> Part:
    """A hole was not drilled: a small one if faint."""
    sizes = [hole.radius for hole in part.holes]
    candidates = [i for i, r in enumerate(sizes) if r < 15 and (r > 7) == (strength > 0.6)]
    gone = int(rng.choice(candidates))
    return replace(part, holes=tuple(h for i, h in enumerate(part.holes) if i != gone))


def moved_hole(part: Part, rng: Rng, strength: float) -> Part:
    """A hole is off its place by 1.2 to 7 pixels."""
    chosen = int(rng.integers(1, len(part.holes)))
    far, angle = _between(1.2, 7.0, strength), rng.uniform(0, 2 * np.pi)
    hole = part.holes[chosen]
    middle = hole.middle[0] + far * np.cos(angle), hole.middle[1] + far * np.sin(angle)
    holes = list(part.holes)
    holes[chosen] = Hole(middle, hole.radius, hole.rim)
    return replace(part, holes=tuple(holes))


def wrong_mark(part: Part, rng: Rng, strength: float) -> Part:
    """A character of the type number is another one; several are shifted or absent if strong."""
    marks = list(part.marks)
    count = len(TITLE)
    kind = rng.random()
    if strength > 0.6 and kind < 0.5:
        first = int(rng.integers(count - 2))
        marks = marks[:first] + marks[first + 2 :]
    elif strength > 0.6:
        drop = _between(2.0, 5.0, strength)
        marks[:count] = [replace(m, place=(m.place[0], m.place[1] + drop)) for m in marks[:count]]
    else:
        chosen = int(rng.integers(count))
        others = sorted(set(glyphs.STROKES) - {marks[chosen].character})
        similar = _SIMILAR[marks[chosen].character]
        character = similar if strength < 0.4 else str(rng.choice(others))
        marks[chosen] = replace(marks[chosen], character=character)
    return replace(part, marks=tuple(marks))


def burr(part: Part, rng: Rng, strength: float) -> Part:
    """Metal stands out over the edge, or a piece of it is broken out."""
    sign = 1 if rng.random() < 0.5 else -1
    height = sign * _between(0.8, 6.0, strength)
    count = int(rng.integers(1, 4)) if strength > 0.5 else 1
    first, radius = _on_edge(rng), _between(3.0, 8.0, strength)
    spread = rng.normal(0, radius, (count, 2)) * ((np.arange(count) > 0)[:, None])
    return replace(
        part,
        burrs=tuple(
            Burr((first[0] + dx, first[1] + dy), radius * rng.uniform(0.7, 1.2), height)
            for dx, dy in spread.tolist()
        ),
    )


def crack(part: Part, rng: Rng, strength: float) -> Part:
    """A crack from a hole or from the edge, with branches."""
    hole = part.holes[int(rng.integers(5))]
    angle = rng.uniform(0, 2 * np.pi)
    start = (
        hole.middle[0] + hole.radius * np.cos(angle),
        hole.middle[1] + hole.radius * np.sin(angle),
    )
    if rng.random() < 0.4:
        start = _on_edge(rng)
        angle = float(np.arctan2(-start[1], -start[0])) + rng.normal(0, 0.5)
    trunk = _walk(start, angle, int(_between(5, 14, strength)), 4.0, rng)
    lines = [trunk]
    for _ in range(int(rng.integers(1, 4))):
        place = int(rng.integers(1, len(trunk) - 1))
        turn = angle + rng.choice([-1, 1]) * rng.uniform(0.5, 1.1)
        lines.append(_walk(trunk[place], turn, int(_between(2, 6, strength)), 3.5, rng))
    width, depth = _between(0.5, 1.5, strength), _between(0.25, 0.7, strength)
    return replace(part, cracks=(Crack(tuple(lines), width, depth),))


def dent(part: Part, rng: Rng, strength: float) -> Part:
    """A hollow that only its shading shows."""
    size = rng.uniform(5, 13)
    axes = size, size * rng.uniform(0.5, 1.0)
    slope = rng.choice([-1, 1]) * _between(0.035, 0.16, strength)
    return replace(part, dents=(Dent(_on_plate(rng), axes, rng.uniform(0, np.pi), slope),))


def stain(part: Part, rng: Rng, strength: float) -> Part:
    """A drop of liquid that has dried."""
    waves = tuple((rng.normal(0, 0.13, 8) / np.repeat((1, 1.5, 2, 2.5), 2)).tolist())
    drop = Stain(_on_plate(rng), rng.uniform(7, 20), waves, _between(0.07, 0.35, strength))
    return replace(part, stains=(drop,))


def scratch(part: Part, rng: Rng, strength: float) -> Part:
    """A long groove, nearly straight."""
    steps = int(_between(6, 16, strength))
    line = _walk(_on_plate(rng), rng.uniform(0, 2 * np.pi), steps, 4.5, rng, 0.06)
    width, depth = _between(0.7, 1.8, strength), _between(0.22, 0.8, strength)
    return replace(part, scratches=(Scratch(line, width, depth),))


def _walk(
    start: Point, angle: float, steps: int, length: float, rng: Rng, turn: float = 0.4
) -> Line:
    """A path of steps of about `length` pixels whose directions differ from `angle`."""
    angles = angle + np.cumsum(rng.normal(0, turn / 3, steps)) + rng.normal(0, turn, steps)
    far = length * rng.uniform(0.6, 1.4, steps)
    x = start[0] + np.concatenate([[0.0], np.cumsum(far * np.cos(angles))])
    y = start[1] + np.concatenate([[0.0], np.cumsum(far * np.sin(angles))])
    return tuple(zip(x.tolist(), y.tolist(), strict=True))


def _on_edge(rng: Rng) -> Point:
    """A place on a straight side of the plate."""
    along, side = rng.uniform(-0.75, 0.75), int(rng.choice([-1, 1]))
    if rng.random() < HALF[0] / (HALF[0] + HALF[1]):
        return along * HALF[0], side * HALF[1]
    return side * HALF[0], along * HALF[1]


def _on_plate(rng: Rng) -> Point:
    """A place on the plane between the pocket and the edge."""
    while True:
        x, y = rng.uniform(-1, 1, 2) * (HALF[0] - 12, HALF[1] - 12)
        if np.hypot(x, y) > POCKET + 4:
            return float(x), float(y)


KINDS: Mapping[str, Callable[[Part, Rng, float], Part]] = {
    "burr": burr,
    "crack": crack,
    "dent": dent,
    "missing_hole": missing_hole,
    "moved_hole": moved_hole,
    "scratch": scratch,
    "stain": stain,
    "wrong_mark": wrong_mark,
}
