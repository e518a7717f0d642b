"""The passes of codec.prior once more, symbol by symbol, in plain Python integers.

Together with codec.reference it is the specification of the payload.
"""

from collections.abc import Iterator
from itertools import product

from codec.entropy import Shape
from codec.prior import FactorisedPrior, Prior

Place = tuple[int, int, int, int]
Map = dict[Place, int]
Symbol = tuple[Place, int, int]
"""place (tile, dimension, line, column), table row, offset"""


def reference_passes(prior: Prior, known: Map, shape: Shape) -> Iterator[list[Symbol]]:  # noqa: ARG001
    """The symbols of each pass in coding order. `known` is filled while this runs."""
    if isinstance(prior, FactorisedPrior):
        yield _by_row([(place, place[1], 0) for place in places(shape)])
    else:
        raise TypeError(f"no reference for {type(prior).__name__}")


def places(shape: Shape) -> list[Place]:
    """All places of codes `[R, D, h, w]`, the last index running fastest."""
    tiles, dims, height, width = map(range, shape)
    return list(product(tiles, dims, height, width))


def _by_row(symbols: list[Symbol]) -> list[Symbol]:
    return sorted(symbols, key=lambda symbol: symbol[1])
