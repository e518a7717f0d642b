"""Large images through models of any size: the graphs run tile by tile, the code is one.

An image has one latent map, whatever its size. The map of a large image is computed in tiles, each
from its part of the image and a margin, whose codes are dropped; the decoder works in the same way,
with a margin of latents. If the margin is at least the receptive-field radius of the network, every
code and every pixel is computed from all it depends on: apart from float rounding, the result is
that of the whole image, without seams. At the border of the image a tile has no margin, so its
convolutions pad with zeros as those of the whole image do.

Each tile is a separate run of the graph, which bounds the memory that a large image takes.
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

# Side of a tile without its margins, pixels. Larger tiles take more memory; with smaller ones the
# margins of usual networks would add more than half of the work.
TILE_SIDE = 1024
# Margin, in cells of one stride, for models whose receptive-field radius was not measured.
DEFAULT_MARGIN = 32


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an axis, in cells: `start:stop` is computed, `first:last` of it is kept."""

    start: int
    stop: int
    first: int
    last: int


def pieces(cells: int, core: int, margin: int) -> list[Piece]:
    """Cuts an axis of `cells` cells into equal parts of at most `core`, plus margins.

    An axis that is not longer than a part with both margins is one part.
    """
    count = 1 if cells <= core + 2 * margin else -(-cells // core)
    ends = [cells * i // count for i in range(count + 1)]
    return [
        Piece(max(0, first - margin), min(cells, last + margin), first, last)
        for first, last in itertools.pairwise(ends)
    ]


def tiled(graphs: Graphs, spec: InputSpec, side: int = TILE_SIDE) -> Graphs:
    """The graphs, running large images in tiles of `side` pixels if their input size is free."""
    return graphs if spec.height is not None else TiledGraphs(graphs, spec, side)


@final
class TiledGraphs:
    """Graphs for images of any size, which run `graphs` on a tile with its margins at a time."""

    def __init__(self, graphs: Graphs, spec: InputSpec, side: int = TILE_SIDE) -> None:
        self._graphs = graphs
        self._stride = spec.stride
        self._core = max(1, side // spec.stride)
        self._margin = DEFAULT_MARGIN if spec.reach is None else -(-spec.reach // spec.stride)

    def encode(self, x: U8) -> tuple[Array, Array]:
        """Like `Graphs.encode`; the sides of x `[B, C, H, W]` are multiples of the stride."""
        first, second = self._run(self._graphs.encode, x, self._stride, 1)
        return first, second

    def decode(self, latent: Array) -> F32:
        """Like `Graphs.decode`, for latents `[B, D, h, w]`."""
        (x_hat,) = self._run(lambda z: (self._graphs.decode(z),), latent, 1, self._stride)
        return x_hat

    def segment(self, x: U8) -> F32:
        """As `Graphs.segment`, at once: codec.graphs.segmenter has the tiles of the segmenter."""
        return self._graphs.segment(x)

    def _run(
        self, run: Callable[[Array], tuple[Array, ...]], whole: Array, unit_in: int, unit_out: int
    ) -> tuple[Array, ...]:
        """The outputs of `run` for the whole input, computed in tiles.

        A cell is `unit_in` elements wide in the input and `unit_out` elements in the outputs.
        """
        cells = (whole.shape[2] // unit_in, whole.shape[3] // unit_in)
        outputs: tuple[Array, ...] = ()
        for down, across in self._tiles(cells):
            part = whole[:, :, _span(down, unit_in), _span(across, unit_in)]
            results = run(np.ascontiguousarray(part))
            if part.shape == whole.shape:
                return results
            outputs = outputs or tuple(_blank(r, cells, unit_out) for r in results)
            for output, result in zip(outputs, results, strict=True):
                _keep(output, result, down, across, unit_out)
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
            f"a graph returned {list(result.shape[2:])} positions for a tile, "
            f"expected {list(expected)}: the stride in the manifest is wrong"
        )
    axes = (down, across)
    place = (slice(p.first * unit, p.last * unit) for p in axes)
    kept = (slice((p.first - p.start) * unit, (p.last - p.start) * unit) for p in axes)
    output[:, :, *place] = result[:, :, *kept]
