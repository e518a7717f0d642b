"""The passes of codec.prior once more, symbol by symbol, in plain Python integers.

Together with codec.reference it is the specification of the payload.
"""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import product

from codec.entropy import Shape
from codec.index_prior import IndexPrior
from codec.lattice import LATTICE
from codec.map_prior import MapPrior
from codec.prior import FactorisedPrior, Prior

Place = tuple[int, int, int, int]
Map = dict[Place, int]
Symbol = tuple[Place, int, int]
"""place (tile, dimension, line, column), table row, offset"""


def reference_passes(prior: Prior, known: Map, shape: Shape) -> Iterator[list[Symbol]]:
    """The symbols of each pass in coding order. `known` is filled while this runs."""
    if isinstance(prior, FactorisedPrior):
        yield _by_row([(place, place[1], 0) for place in places(shape)])
    elif isinstance(prior, MapPrior):
        yield from _map_passes(prior, known, shape)
    elif isinstance(prior, IndexPrior):
        yield from _index_passes(prior, known, shape)
    else:
        raise TypeError(f"no reference for {type(prior).__name__}")


def _map_passes(prior: MapPrior, known: Map, shape: Shape) -> Iterator[list[Symbol]]:
    tiles, dims, height, width = shape
    group = prior.weights.group.tolist()
    predict = _Prediction(prior, known, shape)
    for number, lattice in enumerate(LATTICE):
        lines = range(lattice.line, height, lattice.stride)
        columns = range(lattice.column, width, lattice.stride)
        for one in range(max(group) + 1):
            channels = [d for d in range(dims) if group[d] == one]
            symbols = [
                predict.symbol(number, place)
                for place in product(range(tiles), channels, lines, columns)
            ]
            if symbols:
                yield _by_row(symbols)


class _Prediction:
    """Rows and offsets of a MapPrior, one place at a time."""

    def __init__(self, prior: MapPrior, known: Map, shape: Shape) -> None:
        self._known, self._shape = known, shape
        self._group: list[int] = prior.weights.group.tolist()
        self._mean, self._scale = prior.weights.mean.tolist(), prior.weights.scale.tolist()
        self._mean_bias, self._scale_bias = prior.mean_bias.tolist(), prior.scale_bias.tolist()
        self._thresholds: list[int] = prior.weights.thresholds.tolist()

    def symbol(self, number: int, place: Place) -> Symbol:
        """The row and the offset of a code in a lattice pass."""
        _, channel, line, column = place
        mean, scale = self._mean_bias[number][channel], self._scale_bias[number][channel]
        blocks = [(0, 0, (0, 0))]
        for one, steps in enumerate(LATTICE[number].sets):
            blocks += [(1 + 4 * one + i, 1 + one, step) for i, step in enumerate(steps)]
        for mean_block, scale_block, (down, across) in blocks:
            y = self._reflect(line, down, self._shape[2])
            x = self._reflect(column, across, self._shape[3])
            if y is None or x is None:
                continue
            for source in range(self._shape[1]):
                if mean_block > 0 or self._group[source] < self._group[channel]:
                    code = self._known[place[0], source, y, x]
                    mean += self._mean[number][mean_block][source][channel] * code
                    scale += self._scale[number][scale_block][source][channel] * abs(code)
        offset, phase = divmod((mean + 32) // 64 + 2, 4)
        return place, 4 * bisect_right(self._thresholds, scale) + phase, offset

    @staticmethod
    def _reflect(at: int, step: int, length: int) -> int | None:
        there = [at + step, at - step]
        return next((place for place in there if 0 <= place < length), None)


def _index_passes(prior: IndexPrior, known: Map, shape: Shape) -> Iterator[list[Symbol]]:
    tiles, dims, height, width = shape
    choose = _IndexRows(prior, known, shape)
    for wave in range(2 * (height - 1) + width):
        for dim in range(dims):
            symbols = [
                (
                    (tile, dim, line, wave - 2 * line),
                    choose.row(tile, dim, line, wave - 2 * line),
                    0,
                )
                for tile in range(tiles)
                for line in range(height)
                if 0 <= wave - 2 * line < width
            ]
            if symbols:
                yield _by_row(symbols)


class _IndexRows:
    """Rows of an IndexPrior, one place at a time."""

    def __init__(self, prior: IndexPrior, known: Map, shape: Shape) -> None:
        self._known, self._shape = known, shape
        contexts, tree = prior.contexts, prior.tree
        self._sources, self._vectors = contexts.sources.tolist(), contexts.vectors.tolist()
        self._start = contexts.start.tolist()
        self._planes, self._thresholds = tree.planes.tolist(), tree.thresholds.tolist()
        self._branches, self._roots = tree.branches.tolist(), tree.roots.tolist()

    def row(self, tile: int, dim: int, line: int, column: int) -> int:
        """The row of an index, from those before it."""
        start = self._start[dim]
        across = start[min(line, len(start) - 1)]
        context = list(across[min(column, len(across) - 1)])
        for (target, source, down, right), vectors in zip(
            self._sources, self._vectors, strict=True
        ):
            if target == dim:
                index = self._neighbour((tile, source, line + down, column + right))
                context = [a + b for a, b in zip(context, vectors[index], strict=True)]
        node = self._roots[dim]
        while node >= 0:
            side = sum(a * b for a, b in zip(self._planes[node], context, strict=True))
            node = self._branches[node][side > self._thresholds[node]]
        return int(-1 - node)

    def _neighbour(self, place: Place) -> int:
        _, _, line, column = place
        inside = 0 <= line < self._shape[2] and 0 <= column < self._shape[3]
        # -1 is the last vector, for no neighbour.
        index = self._known[place] if inside else -1
        return index if 0 <= index < len(self._vectors[0]) - 1 else -1


def places(shape: Shape) -> list[Place]:
    """All places of codes `[R, D, h, w]`, the last index running fastest."""
    tiles, dims, height, width = map(range, shape)
    return list(product(tiles, dims, height, width))


def _by_row(symbols: list[Symbol]) -> list[Symbol]:
    return sorted(symbols, key=lambda symbol: symbol[1])
