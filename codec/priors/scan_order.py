"""The scan order of latent maps: seven coding passes, and the neighbours that each one knows.

Together the passes cover every position once. The first takes every fourth line and column and has
no neighbours. Each later pass fills in positions between decoded ones:

    1 6 5 6 1 6 5 6     pass 1: 1/16 of the positions, no neighbours
    7 4 7 4 7 4 7 4     2: 1/16, four diagonal neighbours at distance 2
    3 6 2 6 3 6 2 6     3: 1/16, four straight ones at distance 2; 5: also the diagonal ones
    7 4 7 4 7 4 7 4     4: 1/4, four diagonal neighbours at distance 1
                        6: 1/4, four straight ones; 7: 1/4, all eight
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from codec.arrays import Index

Float = TypeVar("Float", np.float32, np.float64)
# Lines and columns from a position to its neighbour.
Step = tuple[int, int]
NeighbourGroup = tuple[Step, Step, Step, Step]
MAX_NEIGHBOUR_GROUPS, GROUP_SIZE = 2, 4


@dataclass(frozen=True, slots=True)
class CodingPass:
    """Lines `line, line + stride, ...`, columns alike, and up to two groups of neighbours."""

    line: int
    column: int
    stride: int
    neighbour_groups: tuple[NeighbourGroup, ...]

    @property
    def grid(self) -> tuple[slice, slice]:
        """Lines and columns of the positions in a map."""
        return slice(self.line, None, self.stride), slice(self.column, None, self.stride)

    def neighbours(self, decoded: npt.NDArray[Float], step: Step) -> npt.NDArray[Float]:
        """The neighbours `[R, a, b, D]` of all positions, one `step` away in maps `[R, h, w, D]`.

        A step that leaves the map is taken in the opposite direction, separately for lines and
        columns. A neighbour that lies outside even then counts as 0.
        """
        lines, inside_lines = _reflected(decoded.shape[1], self.line, self.stride, step[0])
        columns, inside_columns = _reflected(decoded.shape[2], self.column, self.stride, step[1])
        neighbours = decoded[:, lines[:, None], columns]
        if inside_lines.all() and inside_columns.all():
            return neighbours
        return neighbours * (inside_lines[:, None] & inside_columns)[:, :, None]


def _straight(distance: int) -> NeighbourGroup:
    return ((0, -distance), (0, distance), (-distance, 0), (distance, 0))


def _diagonal(distance: int) -> NeighbourGroup:
    return (
        (-distance, -distance),
        (-distance, distance),
        (distance, -distance),
        (distance, distance),
    )


def _refine(distance: int) -> Iterator[CodingPass]:
    """The three passes that fill a grid of twice the distance."""
    stride, straight, diagonal = 2 * distance, _straight(distance), _diagonal(distance)
    yield CodingPass(distance, distance, stride, (diagonal,))
    yield CodingPass(0, distance, stride, (straight,))
    yield CodingPass(distance, 0, stride, (straight, diagonal))


SCAN_ORDER = (CodingPass(0, 0, 4, ()), *_refine(2), *_refine(1))


@functools.lru_cache(maxsize=1024)
def _reflected(
    length: int, start: int, stride: int, step: int
) -> tuple[Index, npt.NDArray[np.bool_]]:
    """The neighbours' places on an axis of this length, and whether each lies inside."""
    at = np.arange(start, length, stride)
    place = at + step
    place = np.where((place < 0) | (place >= length), at - step, place)
    inside = (place >= 0) & (place < length)
    return np.where(inside, place, 0), inside
