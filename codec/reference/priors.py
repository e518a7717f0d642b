"""The passes of codec.priors.base, symbol by symbol, in plain Python integers.

Together with codec.reference.range_coder it is the specification of the payload.
"""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import product

from codec.entropy.range_coder import Shape
from codec.priors.base import FactorisedPrior, Prior
from codec.priors.index_map import IndexPrior
from codec.priors.latent_map import MapPrior
from codec.priors.mixture import MixturePrior
from codec.priors.scan_order import SCAN_ORDER

# Tile, dimension, line and column.
Place = tuple[int, int, int, int]
Codes = dict[Place, int]
# Place, table row and offset.
Symbol = tuple[Place, int, int]
# Weights of mean and scale, per channel, and the code that they multiply.
Term = tuple[list[int], list[int], int]


def reference_passes(prior: Prior, decoded: Codes, shape: Shape) -> Iterator[list[Symbol]]:
    """The symbols of each pass in coding order. A decoder fills `decoded` pass by pass."""
    if isinstance(prior, FactorisedPrior):
        yield _by_row([(place, place[1], 0) for place in places(shape)])
    elif isinstance(prior, MapPrior):
        yield from _map_passes(prior, decoded, shape)
    elif isinstance(prior, IndexPrior):
        yield from _index_passes(prior, decoded, shape)
    elif isinstance(prior, MixturePrior):
        yield from _mixture_passes(prior, decoded, shape)
    else:
        raise TypeError(f"no reference for {type(prior).__name__}")


def _mixture_passes(prior: MixturePrior, decoded: Codes, shape: Shape) -> Iterator[list[Symbol]]:
    dims, cluster_row = shape[1] - 1, len(prior.tables.low) - 1
    yield [(place, cluster_row, 0) for place in places(shape) if place[1] == dims]
    mixture, ratio = prior.mixture, prior.ratio.tolist()
    symbols = []
    for place in places(shape):
        tile, dim, *_ = place
        if dim < dims:
            cluster = decoded[tile, dims, 0, 0]
            mean = int(mixture.mean[cluster, dim]) * ratio[dim] >> 16
            scale = int(mixture.scale[cluster, dim]) * ratio[dim] >> 16
            symbols.append(_symbol(place, mean, scale, mixture.thresholds.tolist()))
    yield _by_row(symbols)


def _symbol(place: Place, mean: int, scale: int, thresholds: list[int]) -> Symbol:
    """Row and offset from a mean in 1/256 and a scale in 1/4096 of a code."""
    offset, phase = divmod((mean + 32) // 64 + 2, 4)
    return place, 4 * bisect_right(thresholds, scale) + phase, offset


def _map_passes(prior: MapPrior, decoded: Codes, shape: Shape) -> Iterator[list[Symbol]]:
    tiles, dims, height, width = shape
    groups = prior.weights.channel_group.tolist()
    for number, coding_pass in enumerate(SCAN_ORDER):
        prediction = _Prediction(prior, number, decoded, shape)
        lines = range(coding_pass.line, height, coding_pass.stride)
        columns = range(coding_pass.column, width, coding_pass.stride)
        for group in range(max(groups) + 1):
            channels = [d for d in range(dims) if groups[d] == group]
            here = product(range(tiles), channels, lines, columns)
            if symbols := [prediction.symbol(place) for place in here]:
                yield _by_row(symbols)


class _Prediction:
    """Rows and offsets of a MapPrior in one coding pass, one place at a time."""

    def __init__(self, prior: MapPrior, number: int, decoded: Codes, shape: Shape) -> None:
        self._decoded, self._shape, self._coding_pass = decoded, shape, SCAN_ORDER[number]
        weights = prior.weights
        self._groups: list[int] = weights.channel_group.tolist()
        self._mean, self._scale = weights.mean[number].tolist(), weights.scale[number].tolist()
        self._mean_bias = prior.mean_bias[number].tolist()
        self._scale_bias = prior.scale_bias[number].tolist()
        self._thresholds: list[int] = weights.thresholds.tolist()
        self._neighbour_terms: dict[tuple[int, int, int], list[Term]] = {}

    def symbol(self, place: Place) -> Symbol:
        """The row and the offset of a code."""
        tile, channel, line, column = place
        at = tile, line, column
        if at not in self._neighbour_terms:
            self._neighbour_terms[at] = list(self._neighbours(*at))
        terms = [*self._neighbour_terms[at], *self._earlier(place)]
        mean = self._mean_bias[channel] + sum(w[channel] * code for w, _, code in terms)
        scale = self._scale_bias[channel] + sum(v[channel] * abs(code) for _, v, code in terms)
        return _symbol(place, mean, scale, self._thresholds)

    def _earlier(self, place: Place) -> Iterator[Term]:
        """The codes of earlier groups at the same position."""
        tile, channel, line, column = place
        for source, group in enumerate(self._groups):
            if group < self._groups[channel]:
                code = self._decoded[tile, source, line, column]
                yield self._mean[0][source], self._scale[0][source], code

    def _neighbours(self, tile: int, line: int, column: int) -> Iterator[Term]:
        """The codes around a position that are not 0."""
        for block, steps in enumerate(self._coding_pass.neighbour_groups):
            for i, (down, right) in enumerate(steps):
                y = _reflect(line, down, self._shape[2])
                x = _reflect(column, right, self._shape[3])
                if y is None or x is None:
                    continue
                mean, scale = self._mean[1 + 4 * block + i], self._scale[1 + block]
                for source in range(self._shape[1]):
                    if code := self._decoded[tile, source, y, x]:
                        yield mean[source], scale[source], code


def _reflect(at: int, step: int, length: int) -> int | None:
    return next((place for place in (at + step, at - step) if 0 <= place < length), None)


def _index_passes(prior: IndexPrior, decoded: Codes, shape: Shape) -> Iterator[list[Symbol]]:
    tiles, dims, height, width = shape
    rows = _IndexRows(prior, decoded, shape)
    for wave in range(2 * (height - 1) + width):
        lines = [line for line in range(height) if 0 <= wave - 2 * line < width]
        for dim in range(dims):
            here = [(tile, dim, line, wave - 2 * line) for tile in range(tiles) for line in lines]
            if here:
                yield _by_row([(place, rows.row(place), 0) for place in here])


class _IndexRows:
    """Rows of an IndexPrior, one place at a time."""

    def __init__(self, prior: IndexPrior, decoded: Codes, shape: Shape) -> None:
        self._decoded, self._shape = decoded, shape
        contexts, tree = prior.contexts, prior.tree
        self._sources, self._vectors = contexts.sources.tolist(), contexts.vectors.tolist()
        self._start = contexts.start.tolist()
        self._planes, self._thresholds = tree.planes.tolist(), tree.thresholds.tolist()
        self._branches, self._roots = tree.branches.tolist(), tree.roots.tolist()

    def row(self, place: Place) -> int:
        """The row of an index, from those decoded before it."""
        tile, dim, line, column = place
        start = self._start[dim]
        at_line = start[min(line, len(start) - 1)]
        context = list(at_line[min(column, len(at_line) - 1)])
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
        # -1 is the last vector, for a missing neighbour.
        index = self._decoded[place] if inside else -1
        return index if 0 <= index < len(self._vectors[0]) - 1 else -1


def places(shape: Shape) -> list[Place]:
    """All places of codes `[R, D, h, w]`, the last index running fastest."""
    tiles, dims, height, width = map(range, shape)
    return list(product(tiles, dims, height, width))


def _by_row(symbols: list[Symbol]) -> list[Symbol]:
    return sorted(symbols, key=lambda symbol: symbol[1])
