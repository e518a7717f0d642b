"""The passes of codec.priors.base once more, symbol by symbol, in plain Python integers.

Together with codec.reference.range_coder it is the specification of the payload.
"""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import product

from codec.entropy.range_coder import Shape
from codec.priors.base import Prior
from codec.priors.factorised import FactorisedPrior
from codec.priors.index_map import IndexPrior
from codec.priors.latent_map import MapPrior
from codec.priors.mixture import MixturePrior
from codec.priors.scan_order import SCAN_ORDER

Place = tuple[int, int, int, int]
Map = dict[Place, int]
Symbol = tuple[Place, int, int]
"""place (tile, dimension, line, column), table row, offset"""
Heard = tuple[list[int], list[int], int]
"""weights of mean and scale, per channel, and the code"""


def reference_passes(prior: Prior, known: Map, shape: Shape) -> Iterator[list[Symbol]]:
    """The symbols of each pass in coding order. `known` is filled while this runs."""
    if isinstance(prior, FactorisedPrior):
        yield _by_row([(place, place[1], 0) for place in places(shape)])
    elif isinstance(prior, MapPrior):
        yield from _map_passes(prior, known, shape)
    elif isinstance(prior, IndexPrior):
        yield from _index_passes(prior, known, shape)
    elif isinstance(prior, MixturePrior):
        yield from _mixture_passes(prior, known, shape)
    else:
        raise TypeError(f"no reference for {type(prior).__name__}")


def _mixture_passes(prior: MixturePrior, known: Map, shape: Shape) -> Iterator[list[Symbol]]:
    dims, clusters = shape[1] - 1, len(prior.tables.low) - 1
    yield [(place, clusters, 0) for place in places(shape) if place[1] == dims]
    mixture, ratio = prior.mixture, prior.ratio.tolist()
    symbols = []
    for place in places(shape):
        tile, dim, *_ = place
        if dim < dims:
            cluster = known[tile, dims, 0, 0]
            mean = int(mixture.mean[cluster, dim]) * ratio[dim] >> 16
            scale = int(mixture.scale[cluster, dim]) * ratio[dim] >> 16
            offset, phase = divmod((mean + 32) // 64 + 2, 4)
            row = 4 * bisect_right(mixture.thresholds.tolist(), scale) + phase
            symbols.append((place, row, offset))
    yield _by_row(symbols)


def _map_passes(prior: MapPrior, known: Map, shape: Shape) -> Iterator[list[Symbol]]:
    tiles, dims, height, width = shape
    group = prior.weights.channel_group.tolist()
    for number, coding_pass in enumerate(SCAN_ORDER):
        predict = _Prediction(prior, number, known, shape)
        lines = range(coding_pass.line, height, coding_pass.stride)
        columns = range(coding_pass.column, width, coding_pass.stride)
        for one in range(max(group) + 1):
            channels = [d for d in range(dims) if group[d] == one]
            symbols = [
                predict.symbol(place) for place in product(range(tiles), channels, lines, columns)
            ]
            if symbols:
                yield _by_row(symbols)


class _Prediction:
    """Rows and offsets of a MapPrior, one place at a time, in a coding pass."""

    def __init__(self, prior: MapPrior, number: int, known: Map, shape: Shape) -> None:
        self._known, self._shape, self._coding_pass = known, shape, SCAN_ORDER[number]
        weights = prior.weights
        self._group: list[int] = weights.channel_group.tolist()
        self._mean, self._scale = weights.mean[number].tolist(), weights.scale[number].tolist()
        self._mean_bias = prior.mean_bias[number].tolist()
        self._scale_bias = prior.scale_bias[number].tolist()
        self._thresholds: list[int] = weights.thresholds.tolist()
        self._heard: dict[tuple[int, int, int], list[Heard]] = {}

    def symbol(self, place: Place) -> Symbol:
        """The row and the offset of a code."""
        tile, channel, line, column = place
        if (tile, line, column) not in self._heard:
            self._heard[tile, line, column] = list(self._neighbours(tile, line, column))
        heard = [*self._heard[tile, line, column], *self._earlier(place)]
        mean = self._mean_bias[channel] + sum(w[channel] * code for w, _, code in heard)
        scale = self._scale_bias[channel] + sum(v[channel] * abs(code) for _, v, code in heard)
        offset, phase = divmod((mean + 32) // 64 + 2, 4)
        return place, 4 * bisect_right(self._thresholds, scale) + phase, offset

    def _earlier(self, place: Place) -> Iterator[Heard]:
        """The codes of earlier groups at the same position."""
        tile, channel, line, column = place
        for source, group in enumerate(self._group):
            if group < self._group[channel]:
                code = self._known[tile, source, line, column]
                yield self._mean[0][source], self._scale[0][source], code

    def _neighbours(self, tile: int, line: int, column: int) -> Iterator[Heard]:
        """The codes around a position that are not 0."""
        for one, steps in enumerate(self._coding_pass.neighbour_groups):
            for i, (down, across) in enumerate(steps):
                y = self._reflect(line, down, self._shape[2])
                x = self._reflect(column, across, self._shape[3])
                if y is None or x is None:
                    continue
                for source in range(self._shape[1]):
                    code = self._known[tile, source, y, x]
                    if code != 0:
                        yield (
                            self._mean[1 + 4 * one + i][source],
                            self._scale[1 + one][source],
                            code,
                        )

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
