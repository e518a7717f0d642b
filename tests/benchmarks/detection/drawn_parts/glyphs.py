"""Characters as an engraving machine draws them: a few straight lines each."""

from __future__ import annotations

from detection.drawn_parts.shapes import Line, Point

# Lines through points (x, y) of a box 2 wide and 4 high, y downwards.
STROKES: dict[str, tuple[Line, ...]] = {
    "0": (((0, 0), (2, 0), (2, 4), (0, 4), (0, 0)),),
    "1": (((0.2, 0.8), (1, 0), (1, 4)),),
    "2": (((0, 0), (2, 0), (2, 2), (0, 2), (0, 4), (2, 4)),),
    "3": (((0, 0), (2, 0), (2, 4), (0, 4)), ((0.5, 2), (2, 2))),
    "4": (((0, 0), (0, 2), (2, 2)), ((2, 0), (2, 4))),
    "5": (((2, 0), (0, 0), (0, 2), (2, 2), (2, 4), (0, 4)),),
    "6": (((2, 0), (0, 0), (0, 4), (2, 4), (2, 2), (0, 2)),),
    "7": (((0, 0), (2, 0), (0.8, 4)),),
    "8": (((0, 0), (2, 0), (2, 4), (0, 4), (0, 0)), ((0, 2), (2, 2))),
    "9": (((2, 2), (0, 2), (0, 0), (2, 0), (2, 4), (0, 4)),),
    "R": (((0, 4), (0, 0), (2, 0), (2, 2), (0, 2)), ((1, 2), (2, 4))),
    "D": (((0, 0), (0, 4), (1.2, 4), (2, 3.2), (2, 0.8), (1.2, 0), (0, 0)),),
    "E": (((2, 0), (0, 0), (0, 4), (2, 4)), ((0, 2), (1.4, 2))),
    "A": (((0, 4), (1, 0), (2, 4)), ((0.5, 2.4), (1.5, 2.4))),
    "-": (((0.3, 2), (1.7, 2)),),
}
WIDTH, HEIGHT, ADVANCE = 2.0, 4.0, 3.0


def strokes(character: str, place: Point, scale: float) -> tuple[Line, ...]:
    """The lines of a character whose upper left corner is at `place`, in pixels."""
    return tuple(
        tuple((place[0] + scale * x, place[1] + scale * y) for x, y in line)
        for line in STROKES[character]
    )
