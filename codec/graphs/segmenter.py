"""The third graph of a bundle, which it may have: the segmenter, for images of any size.

It sees an image and gives a logit for each pixel: ln(p / (1 - p)) of the probability p that the
pixel is part of a defect. The graph takes sides that are multiples of 16: the bottom and right
edges are repeated up to them. Large images run in tiles, each a separate call, with margins that
cover the receptive field, as in codec.graphs.tiled.
"""

import itertools

import numpy as np

from codec.arrays import F32, U8
from codec.errors import BundleError
from codec.graphs.protocol import Graphs
from codec.graphs.tiled import TILE_SIDE, Piece, pieces

# The sides of the input are multiples of this many pixels.
STRIDE = 16
# A logit depends on no pixel that is farther away than this; a multiple of the stride.
REACH = 128


def segment(graphs: Graphs, x: U8, side: int = TILE_SIDE) -> F32:
    """Logits `[B, H, W]` for images x `[B, C, H, W]` uint8.

    `side` is that of a tile without its margins, pixels. Raises BundleError if the bundle has no
    segmenter.
    """
    height, width = x.shape[2:]
    x = _padded(x)
    down, across = (
        pieces(length // STRIDE, max(1, side // STRIDE), REACH // STRIDE) for length in x.shape[2:]
    )
    if len(down) == len(across) == 1:
        return _run(graphs, x)[:, :height, :width]
    logits = np.empty((len(x), *x.shape[2:]), np.float32)
    for rows, columns in itertools.product(down, across):
        part = (slice(None), slice(None), _whole(rows), _whole(columns))
        result = _run(graphs, np.ascontiguousarray(x[part]))
        logits[:, _kept(rows), _kept(columns)] = result[:, _inside(rows), _inside(columns)]
    return logits[:, :height, :width]


def _run(graphs: Graphs, x: U8) -> F32:
    logits = graphs.segment(x)
    expected = (len(x), *x.shape[2:])
    if logits.shape != expected:
        raise BundleError(f"the segmenter gives {list(logits.shape)}, expected {list(expected)}")
    return logits


def _padded(images: U8) -> U8:
    missing = [(0, -length % STRIDE) for length in images.shape[2:]]
    return np.pad(images, ((0, 0), (0, 0), *missing), mode="edge")


def _whole(piece: Piece) -> slice:
    return slice(piece.start * STRIDE, piece.stop * STRIDE)


def _kept(piece: Piece) -> slice:
    return slice(piece.first * STRIDE, piece.last * STRIDE)


def _inside(piece: Piece) -> slice:
    return slice((piece.first - piece.start) * STRIDE, (piece.last - piece.start) * STRIDE)
