"""The prior of index maps: decoded neighbours determine the table row of every index.

An index has no size and no order, so the index of each neighbour is replaced by a vector of
integers, which depends on where that neighbour lies. A context is the sum of these vectors and of
one for the position. A tree (codec.priors.context_tree) leads from it to a row. Positions are coded
in waves, all with equal `SLOPE * line + column` at once, so that the neighbours to the left and in
the lines above, the next one to the right included, are decoded already. Within a wave one
dimension follows another, and earlier dimensions of the same position are neighbours too.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from codec.arrays import I8, I16, I32, I64, U8, Array, Index
from codec.errors import BundleError
from codec.priors.base import Pass, Prior, require
from codec.priors.context_tree import ContextTree
from codec.priors.tables import TOTAL, Tables

SLOPE = 2
# The largest distance of a neighbour, in lines and in columns.
MAX_DISTANCE = 8
MAX_SOURCES, MAX_WIDTH = 255, 64
# Frequencies of all rows together.
MAX_ENTRIES = 2**22


@dataclass(frozen=True, slots=True, eq=False)
class Contexts:
    """The parts of a context; K is the size of the codebook, M the length of a context.

    `sources [S, 4]` int16 are the neighbours: the dimension that is coded, ascending, then the
    dimension of the neighbour and its distance in lines and columns. `vectors [S, K + 1, M]` int8
    are added for its index; the last one where the neighbour is outside the map.
    `start [D, a, b, M]` int16 is added for the position; the last line and column serve for all
    later ones.
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
            raise BundleError(
                f"tables.npz: start {list(start)} and vectors {list(self.vectors.shape)}, expected "
                f"no axis of 0, contexts of up to {MAX_WIDTH} and a codebook of at least 2"
            )
        self._check_sources(dims)

    def _check_sources(self, dims: int) -> None:
        target, source, line, column = self.sources.T.astype(np.int64)
        decoded = (line <= 0) & (SLOPE * line + column < 0)
        decoded |= (line == 0) & (column == 0) & (source < target)
        near = np.maximum(np.abs(line), np.abs(column)) <= MAX_DISTANCE
        inside = (source >= 0) & (source < dims) & (target >= 0) & (target < dims)
        if not (decoded & near & inside).all() or (np.diff(target) < 0).any():
            raise BundleError("tables.npz: a source of a context is not decoded before it")
        if np.bincount(target, minlength=1).max() > MAX_SOURCES:
            raise BundleError(f"tables.npz: more than {MAX_SOURCES} sources of a context")

    @property
    def codebook(self) -> int:
        """Number of different indices."""
        return int(self.vectors.shape[1]) - 1

    def sources_of(self, dim: int) -> slice:
        """The sources of a dimension."""
        first, last = np.searchsorted(self.sources[:, 0], [dim, dim + 1])
        return slice(int(first), int(last))

    def at_position(self, dim: int, lines: Index, columns: Index) -> I16:
        """What positions add, `[..., M]`."""
        _, a, b, _ = self.start.shape
        return np.asarray(self.start[dim, np.minimum(lines, a - 1), np.minimum(columns, b - 1)])


@dataclass(frozen=True, slots=True, eq=False)
class IndexPrior(Prior):
    """Contexts, a tree of them, and `packed_rows [R, K]` uint8, which `tables_of` unpacks."""

    tables: Tables
    packed_rows: U8
    contexts: Contexts
    tree: ContextTree

    def __post_init__(self) -> None:
        dims, codebook = len(self.contexts.start), self.contexts.codebook
        require(self.packed_rows, "rows", np.uint8, (len(self.tables.low), codebook))
        width = self.contexts.vectors.shape[2]
        require(self.tree.planes, "planes", np.int8, (len(self.tree.planes), width))
        require(self.tree.roots, "roots", np.int32, (dims,))
        if self.tree.row_count > len(self.packed_rows):
            raise BundleError(
                f"tables.npz: {len(self.packed_rows)} rows, expected {self.tree.row_count}"
            )

    @classmethod
    def build(cls, packed_rows: U8, contexts: Contexts, tree: ContextTree) -> Self:
        """The prior with the tables of its packed rows."""
        return cls(tables_of(packed_rows), packed_rows, contexts, tree)

    def passes(self, codes: I32) -> Iterator[Pass]:
        decoded = _DecodedContext(codes, self.contexts)
        for lines, columns in waves(*codes.shape[2:]):
            for dim in range(codes.shape[1]):
                context = decoded.contexts(dim, lines, columns)
                place = (slice(None), slice(dim, dim + 1), lines[:, None], columns[:, None])
                yield Pass(place, self.tree.table_index(context, dim)[:, None, :, None])
                decoded.add(dim, lines, columns, codes[place][:, 0, :, 0])

    @classmethod
    def pack(cls, priors: Sequence[Self]) -> dict[str, Array]:
        """`rows` and the arrays of Contexts and ContextTree, for the one level."""
        prior, contexts, tree = priors[0], priors[0].contexts, priors[0].tree
        return {
            "rows": prior.packed_rows,
            **{name: getattr(contexts, name) for name in ("sources", "vectors", "start")},
            **{name: getattr(tree, name) for name in ("planes", "thresholds", "branches", "roots")},
        }

    @classmethod
    def unpack(cls, arrays: Mapping[str, Array], dims: int, levels: int) -> tuple[Self, ...]:
        if levels != 1:
            raise BundleError(f"{levels} quality levels, expected 1 for indices")
        contexts = Contexts(arrays["sources"], arrays["vectors"], arrays["start"])
        if len(contexts.start) != dims:
            raise BundleError(f"tables of {len(contexts.start)} dimensions, expected {dims}")
        names = ("planes", "thresholds", "branches", "roots")
        tree = ContextTree(*(arrays[name] for name in names))
        return (cls.build(arrays["rows"], contexts, tree),)


class _DecodedContext:
    """The decoded indices of a padded map, and the contexts that follow from them.

    Positions outside the map and indices outside the codebook have the index K.
    """

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

    def contexts(self, dim: int, lines: Index, columns: Index) -> I32:
        """Contexts `[R, n, M]` of a dimension at n positions."""
        sources = self._contexts.sources_of(dim)
        neighbours = self._at(lines, columns)[:, None] + self._steps[sources]
        vectors = self._vectors.take(self._map.take(neighbours, 1) + self._first[sources], 0)
        total = vectors.sum(2, dtype=np.int32)
        return np.asarray(total + self._contexts.at_position(dim, lines, columns), np.int32)

    def add(self, dim: int, lines: Index, columns: Index, indices: I32) -> None:
        """Adds decoded indices `[R, n]` of a dimension."""
        valid = (indices >= 0) & (indices < self._codebook)
        at = dim * self._plane + self._at(lines, columns)
        self._map[:, at] = np.where(valid, indices, self._codebook)

    def _at(self, lines: Index, columns: Index) -> Index:
        return np.asarray((lines + MAX_DISTANCE) * self._stride + columns + MAX_DISTANCE)


def waves(height: int, width: int) -> Iterator[tuple[Index, Index]]:
    """Lines and columns `[n]` of the positions of each wave, from top right to bottom left."""
    for wave in range(SLOPE * (height - 1) + width):
        lines = np.arange(max(0, -(-(wave - width + 1) // SLOPE)), min(height, wave // SLOPE + 1))
        if len(lines):
            yield lines, wave - SLOPE * lines


def tables_of(packed_rows: U8) -> Tables:
    """The tables of packed rows `[R, K]`, all from symbol 0 on; the escape has frequency 1.

    Each symbol has frequency 1 and its share, by weight, of TOTAL - K - 1, rounded down. The rest
    goes to the first symbol of the largest weight. Raises BundleError for rows without weight.
    """
    count, codebook = _shape(packed_rows, 2)
    require(packed_rows, "rows", np.uint8, packed_rows.shape)
    if count < 1 or codebook < 2 or count * (codebook + 1) > MAX_ENTRIES:
        raise BundleError(
            f"tables.npz: rows {[count, codebook]}, expected at most {MAX_ENTRIES} entries"
        )
    weights = weights_of(packed_rows)
    total = weights.sum(1, keepdims=True)
    if (total == 0).any() or total.max() >= 2**36:
        raise BundleError("tables.npz: a row has no weight, or 2^36 and more")
    frequencies = np.ones((count, codebook + 1), np.int64)
    frequencies[:, :codebook] += weights * (TOTAL - codebook - 1) // total
    heaviest = weights.argmax(1)
    frequencies[np.arange(count), heaviest] += TOTAL - frequencies.sum(1)
    return Tables(np.zeros(count, np.int32), frequencies.astype(np.uint32))


def weights_of(packed_rows: U8) -> I64:
    """The weights that bytes q code: `(8 + q % 8) << q // 8`, and 0 for q = 0."""
    q = packed_rows.astype(np.int64)
    return np.where(q == 0, 0, (8 + q % 8) << q // 8)


def _shape(array: Array, axes: int) -> tuple[int, ...]:
    if array.ndim != axes:
        raise BundleError(f"tables.npz: an array of {array.ndim} axes, expected {axes}")
    return array.shape
