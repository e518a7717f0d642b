"""The prior of index maps: known neighbours tell the table row of every index.

An index has no size and no order, so each neighbour's index stands for a vector of integers, which
depends on where that neighbour lies. A context is the sum of these vectors and of one for the
position; a tree (codec.priors.context_tree) leads from it to a row. Positions are coded wave by
wave: all with equal `SLOPE * line + column` at once, so that the neighbours to the left and in the
lines above, the next one to the right included, are known. Within a wave the dimensions follow each
other, and an earlier one of the same position is a neighbour too.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from codec.arrays import I8, I16, I32, U8, Array, Index
from codec.errors import BundleError
from codec.priors.base import Pass, Prior, require
from codec.priors.context_tree import ContextTree
from codec.priors.tables import TOTAL, Tables

SLOPE = 2
MAX_DISTANCE = 8
"""lines and columns that a neighbour can be away"""
MAX_SOURCES, MAX_WIDTH = 255, 64
MAX_ENTRIES = 2**22
"""frequencies of all rows together"""


@dataclass(frozen=True, slots=True, eq=False)
class Contexts:
    """What a context is made of; K is the size of the codebook, M the length of a context.

    `sources [S, 4]` int16, the neighbours: the dimension that is coded, ascending, then of the
    neighbour its dimension and how many lines and columns it is away. `vectors [S, K + 1, M]` int8:
    what its index adds; the last one where the neighbour is outside the map. `start [D, a, b, M]`
    int16: what the position adds, the last line and column for all beyond.
    """

    sources: I16
    vectors: I8
    start: I16

    def __post_init__(self) -> None:
        count, _, width = _shape(self.vectors, 3)
        dims, *_ = start = _shape(self.start, 4)
        require(self.sources, "sources", np.int16, (count, 4))
        require(self.vectors, "vectors", np.int8, self.vectors.shape)
        require(self.start, "start", np.int16, (*start[:3], width))
        if min(start) < 1 or width > MAX_WIDTH or self.vectors.shape[1] < 3:
            raise BundleError("tables.npz: contexts of no dimension, position, size or codebook")
        self._check_sources(dims)

    def _check_sources(self, dims: int) -> None:
        target, source, line, column = self.sources.T.astype(np.int64)
        known = (line <= 0) & (SLOPE * line + column < 0)
        known |= (line == 0) & (column == 0) & (source < target)
        near = np.maximum(np.abs(line), np.abs(column)) <= MAX_DISTANCE
        inside = (source >= 0) & (source < dims) & (target >= 0) & (target < dims)
        if not (known & near & inside).all() or (np.diff(target) < 0).any():
            raise BundleError("tables.npz: a source of a context is not decoded before it")
        if np.bincount(target, minlength=1).max() > MAX_SOURCES:
            raise BundleError(f"tables.npz: more than {MAX_SOURCES} sources of a context")

    @property
    def codebook(self) -> int:
        """How many indices there are."""
        return int(self.vectors.shape[1]) - 1

    def sources_of(self, dim: int) -> slice:
        """The sources of a dimension."""
        first, last = np.searchsorted(self.sources[:, 0], [dim, dim + 1])
        return slice(int(first), int(last))

    def position(self, dim: int, lines: Index, columns: Index) -> I16:
        """What positions add, `[..., M]`."""
        _, a, b, _ = self.start.shape
        found: I16 = self.start[dim, np.minimum(lines, a - 1), np.minimum(columns, b - 1)]
        return found


@dataclass(frozen=True, slots=True, eq=False)
class IndexPrior(Prior):
    """See the module; `rows [R, K]` uint8 are the frequencies of `tables` as `tables_of` reads
    them.
    """

    tables: Tables
    rows: U8
    contexts: Contexts
    tree: ContextTree

    def __post_init__(self) -> None:
        dims, codebook = len(self.contexts.start), self.contexts.codebook
        require(self.rows, "rows", np.uint8, (len(self.tables.low), codebook))
        width = self.contexts.vectors.shape[2]
        require(self.tree.planes, "planes", np.int8, (len(self.tree.planes), width))
        require(self.tree.roots, "roots", np.int32, (dims,))
        if self.tree.row_count > len(self.rows):
            raise BundleError(f"tables.npz: row {self.tree.row_count - 1} of {len(self.rows)}")

    @classmethod
    def build(cls, rows: U8, contexts: Contexts, tree: ContextTree) -> Self:
        """The prior with the tables that `rows` say."""
        return cls(tables_of(rows), rows, contexts, tree)

    def passes(self, codes: I32) -> Iterator[Pass]:
        """See Prior."""
        known = _Known(codes, self.contexts)
        for lines, columns in waves(*codes.shape[2:]):
            for dim in range(codes.shape[1]):
                context = known.sum(dim, lines, columns)
                place = (slice(None), slice(dim, dim + 1), lines[:, None], columns[:, None])
                yield Pass(place, self.tree.table_index(context, dim)[:, None, :, None])
                known.learn(dim, lines, columns, codes[place][:, 0, :, 0])

    @classmethod
    def pack(cls, priors: Sequence[Self]) -> dict[str, Array]:
        """See Prior: the arrays of Contexts, ContextTree and `rows`; there is one level."""
        one, tree = priors[0], priors[0].tree
        names = ("sources", "vectors", "start")
        return {
            "rows": one.rows,
            **{name: getattr(one.contexts, name) for name in names},
            **{name: getattr(tree, name) for name in ("planes", "thresholds", "branches", "roots")},
        }

    @classmethod
    def unpack(cls, arrays: Mapping[str, Array], dims: int, levels: int) -> tuple[Self, ...]:
        """See Prior."""
        if levels != 1:
            raise BundleError(f"{levels} quality levels, expected 1 for indices")
        contexts = Contexts(arrays["sources"], arrays["vectors"], arrays["start"])
        if len(contexts.start) != dims:
            raise BundleError(f"tables for another latent, expected {dims} dimensions")
        names = ("planes", "thresholds", "branches", "roots")
        tree = ContextTree(*(arrays[name] for name in names))
        return (cls.build(arrays["rows"], contexts, tree),)


class _Known:
    """The indices that are decoded, each as a row of `vectors`; K where there is none."""

    def __init__(self, codes: I32, contexts: Contexts) -> None:
        self._contexts, self._codebook = contexts, contexts.codebook
        tiles, dims, height, width = codes.shape
        self._stride = width + 2 * MAX_DISTANCE
        self._plane = (height + MAX_DISTANCE) * self._stride
        self._map = np.full((tiles, dims * self._plane), self._codebook, np.int32)
        _, source, line, column = contexts.sources.T.astype(np.intp)
        self._steps = source * self._plane + line * self._stride + column
        self._vectors = contexts.vectors.reshape(-1, contexts.vectors.shape[2])
        self._first = np.arange(len(self._steps)) * (self._codebook + 1)

    def sum(self, dim: int, lines: Index, columns: Index) -> I32:
        """Contexts `[R, n, M]`."""
        chosen = self._contexts.sources_of(dim)
        at = self._at(lines, columns)[:, None] + self._steps[chosen]
        rows = self._map.take(at, 1) + self._first[chosen]
        total = self._vectors.take(rows, 0).sum(2, dtype=np.int32)
        return np.asarray(total + self._contexts.position(dim, lines, columns), np.int32)

    def learn(self, dim: int, lines: Index, columns: Index, codes: I32) -> None:
        """Indices `[R, n]`; one that no codebook holds counts as none."""
        fits = (codes >= 0) & (codes < self._codebook)
        at = dim * self._plane + self._at(lines, columns)
        self._map[:, at] = np.where(fits, codes, self._codebook)

    def _at(self, lines: Index, columns: Index) -> Index:
        at: Index = (lines + MAX_DISTANCE) * self._stride + columns + MAX_DISTANCE
        return at


def waves(height: int, width: int) -> Iterator[tuple[Index, Index]]:
    """Lines and columns `[n]` of the positions of each wave, from the top right to the bottom
    left.
    """
    for wave in range(SLOPE * (height - 1) + width):
        lines = np.arange(max(0, -(-(wave - width + 1) // SLOPE)), min(height, wave // SLOPE + 1))
        if len(lines):
            yield lines, wave - SLOPE * lines


def tables_of(rows: U8) -> Tables:
    """The tables that `rows [R, K]` stand for, all from symbol 0 on; the escape has frequency 1.

    A byte q is the weight `(8 + q % 8) << q // 8`, and 0 for q = 0. Of TOTAL - K - 1 a symbol has
    its share by weight, rounded down, and 1; what is left belongs to the first heaviest symbol.
    """
    count, codebook = _shape(rows, 2)
    require(rows, "rows", np.uint8, rows.shape)
    if count < 1 or codebook < 2 or count * (codebook + 1) > MAX_ENTRIES:
        raise BundleError(
            f"tables.npz: rows {[count, codebook]}, expected at most {MAX_ENTRIES} entries"
        )
    weights = weights_of(rows)
    total = weights.sum(1, keepdims=True)
    if (total == 0).any() or total.max() >= 2**36:
        raise BundleError("tables.npz: a row has no weight, or too much")
    frequencies = np.ones((count, codebook + 1), np.int64)
    frequencies[:, :codebook] += weights * (TOTAL - codebook - 1) // total
    heaviest = weights.argmax(1)
    frequencies[np.arange(count), heaviest] += TOTAL - frequencies.sum(1)
    return Tables(np.zeros(count, np.int32), frequencies.astype(np.uint32))


def weights_of(rows: U8) -> npt.NDArray[np.int64]:
    """See tables_of."""
    q = rows.astype(np.int64)
    return np.where(q == 0, 0, (8 + q % 8) << q // 8)


def _shape(array: Array, axes: int) -> tuple[int, ...]:
    if array.ndim != axes:
        raise BundleError(f"tables.npz: an array of {array.ndim} axes, expected {axes}")
    return array.shape
