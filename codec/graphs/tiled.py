"""Large images through models of any size: the computation is cut into tiles, the code is not.

An image keeps one latent map, whatever its size. Where it is large, the map is computed tile by
tile, each from its own part of the image and a margin around it, of which the codes are dropped;
the decoder likewise with a margin of latents. With a margin of the network's reach every code, and
every pixel, is computed from all that it depends on: the result is that of the whole image but for
float rounding, so there is no seam to hide. A tile at the border of the image begins there, with no
margin, and its convolutions pad with zeros where those of the whole would.

Each tile is a call of its own. Behind a micro-batching queue other callers get their turn between
the tiles of a large image.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import final

import numpy as np

from codec.arrays import F32, U8, Array
from codec.errors import BundleError
from codec.graphs.protocol import Graphs
from codec.images.input_spec import InputSpec

# Side of what a tile adds to the whole, in pixels, margins left out: small enough that its features
# fit into the memory beside it, large enough that margins of usual networks add less than half.
TILE_SIDE = 1024
# The margin, in cells of one stride, for models whose reach nobody has measured.
UNKNOWN_REACH = 32


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of one axis, in cells: what is computed is `start:stop`, what is kept `first:last`."""

    start: int
    stop: int
    first: int
    last: int


def pieces(cells: int, core: int, margin: int) -> list[Piece]:
    """Cuts an axis of so many cells into equal parts of at most `core`, computed with a margin.

    One part where the whole is no larger than a part with both its margins.
    """
    count = 1 if cells <= core + 2 * margin else -(-cells // core)
    ends = [cells * i // count for i in range(count + 1)]
    return [
        Piece(max(0, first - margin), min(cells, last + margin), first, last)
        for first, last in itertools.pairwise(ends)
    ]


def tiled(graphs: Graphs, spec: InputSpec, side: int = TILE_SIDE) -> Graphs:
    """The graphs, with large images in tiles of `side` pixels; as they are where the size of the
    input is fixed.
    """
    return graphs if spec.height is not None else TiledGraphs(graphs, spec, side)


@final
class TiledGraphs:
    """Graphs of any size over `graphs` that are never given more than a tile and its margins."""

    def __init__(self, graphs: Graphs, spec: InputSpec, side: int = TILE_SIDE) -> None:
        self._graphs = graphs
        self._stride = spec.stride
        self._core = max(1, side // spec.stride)
        self._margin = UNKNOWN_REACH if spec.reach is None else -(-spec.reach // spec.stride)

    def encode(self, x: U8) -> tuple[Array, Array]:
        """As `Graphs.encode`; the sides of x `[B, C, H, W]` are multiples of the stride."""
        first, second = self._run(self._graphs.encode, x, self._stride, 1)
        return first, second

    def decode(self, latent: Array) -> F32:
        """As `Graphs.decode`, of latents `[B, D, h, w]`."""
        (x_hat,) = self._run(lambda z: (self._graphs.decode(z),), latent, 1, self._stride)
        return x_hat

    def _run(
        self, run: Callable[[Array], tuple[Array, ...]], whole: Array, taken: int, given: int
    ) -> tuple[Array, ...]:
        """`run` on the whole, of which a cell is `taken` elements wide, and `given` in outputs."""
        cells = (whole.shape[2] // taken, whole.shape[3] // taken)
        outputs: tuple[Array, ...] = ()
        for down, across in self._tiles(cells):
            part = whole[:, :, _span(down, taken), _span(across, taken)]
            results = run(np.ascontiguousarray(part))
            if part.shape == whole.shape:
                return results
            outputs = outputs or tuple(_blank(r, cells, given) for r in results)
            for output, result in zip(outputs, results, strict=True):
                _keep(output, result, down, across, given)
        return outputs

    def _tiles(self, cells: tuple[int, int]) -> Iterator[tuple[Piece, Piece]]:
        columns = pieces(cells[1], self._core, self._margin)
        for down in pieces(cells[0], self._core, self._margin):
            for across in columns:
                yield down, across


def _span(piece: Piece, unit: int) -> slice:
    return slice(piece.start * unit, piece.stop * unit)


def _blank(result: Array, cells: tuple[int, int], unit: int) -> Array:
    return np.empty((*result.shape[:2], cells[0] * unit, cells[1] * unit), result.dtype)


def _keep(output: Array, result: Array, down: Piece, across: Piece, unit: int) -> None:
    """Writes the middle of a tile's result to its place in the whole."""
    expected = ((down.stop - down.start) * unit, (across.stop - across.start) * unit)
    if result.shape[2:] != expected:
        raise BundleError(
            f"a graph answered a tile with {list(result.shape[2:])} positions, "
            f"expected {list(expected)}: the manifest has another stride"
        )
    rows, columns = (slice(p.first * unit, p.last * unit) for p in (down, across))
    kept = (slice((p.first - p.start) * unit, (p.last - p.start) * unit) for p in (down, across))
    output[:, :, rows, columns] = result[:, :, *kept]
