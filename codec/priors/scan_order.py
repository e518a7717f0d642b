"""The lattice: in which order the positions of a latent map are coded, and who are neighbours.

Seven passes cover every position once. The first takes every fourth line and column and knows
nothing; each later one lies between positions that are known:

    1 6 5 6 1 6 5 6     pass 1: 1/16 of the positions, no neighbours
    7 4 7 4 7 4 7 4     2: 1/16, four diagonal neighbours at distance 2
    3 6 2 6 3 6 2 6     3: 1/16, four straight ones at distance 2; 5 likewise with pass 3 known
    7 4 7 4 7 4 7 4     4: 1/4, four diagonal neighbours at distance 1
                        6: 1/4, four straight ones; 7: 1/4, all eight
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Float = TypeVar("Float", np.float32, np.float64)
Index = npt.NDArray[np.intp]
Step = tuple[int, int]
Set = tuple[Step, Step, Step, Step]
ALL = slice(None)


@dataclass(frozen=True, slots=True)
class LatticePass:
    """Lines `line, line + stride, ...` and columns alike; up to two sets of four neighbours, each
    as (lines, columns) from the position.
    """

    line: int
    column: int
    stride: int
    sets: tuple[Set, ...]

    @property
    def grid(self) -> tuple[slice, slice]:
        """The positions, as lines and columns of a map."""
        return slice(self.line, None, self.stride), slice(self.column, None, self.stride)

    def neighbours(
        self, known: npt.NDArray[Float], step: Step, band: slice = ALL
    ) -> npt.NDArray[Float]:
        """The neighbours `[R, a, b, D]` of all positions, `step` away in the map `[R, h, w, D]`; or
        of those in a band of the a lines.

        One beyond an edge is looked for on the other side of the position, lines and columns each
        for themselves; what is outside then too counts as 0.
        """
        lines, in_lines = _reflected(known.shape[1], self.line, self.stride, step[0])
        lines, in_lines = lines[band], in_lines[band]
        columns, in_columns = _reflected(known.shape[2], self.column, self.stride, step[1])
        found = known[:, lines[:, None], columns]
        if in_lines.all() and in_columns.all():
            return found
        return found * (in_lines[:, None] & in_columns)[:, :, None]


def _straight(distance: int) -> Set:
    return ((0, -distance), (0, distance), (-distance, 0), (distance, 0))


def _diagonal(distance: int) -> Set:
    return (
        (-distance, -distance),
        (-distance, distance),
        (distance, -distance),
        (distance, distance),
    )


def _between(distance: int) -> Iterator[LatticePass]:
    """The three passes that fill a grid of twice the distance."""
    stride, straight, diagonal = 2 * distance, _straight(distance), _diagonal(distance)
    yield LatticePass(distance, distance, stride, (diagonal,))
    yield LatticePass(0, distance, stride, (straight,))
    yield LatticePass(distance, 0, stride, (straight, diagonal))


LATTICE = (LatticePass(0, 0, 4, ()), *_between(2), *_between(1))
MAX_SETS, SET_SIZE = 2, 4


def _reflected(
    length: int, start: int, stride: int, shift: int
) -> tuple[Index, npt.NDArray[np.bool_]]:
    at = np.arange(start, length, stride)
    there = at + shift
    there = np.where((there < 0) | (there >= length), at - shift, there)
    inside = (there >= 0) & (there < length)
    return np.where(inside, there, 0), inside
