"""Measures the receptive field of a network that takes images of any size, from its graphs.

Half of an image is replaced, and half of a latent map. What changes on the other side of the cut
lies within the receptive-field radius of it; everything else keeps every bit. An influence too weak
to change a bit of float32 does not count, so tiles with a margin of this radius equal the whole
except for rounding.
"""

from collections.abc import Callable

import numpy as np

from codec.arrays import Array
from codec.bundle.manifest import Manifest
from codec.errors import BundleError
from codec.graphs.protocol import Graphs

# An influence can be below the rounding in the images drawn here, and above it in others.
SPARE_CELLS = 1
# Half the width of the first and of the largest images, and their height, in cells of one stride.
FIRST_CELLS, MOST_CELLS, HEIGHT_CELLS = 8, 128, 6
TRIALS = 6


def measure_radius(graphs: Graphs, manifest: Manifest) -> int:
    """The receptive-field radius in pixels, a multiple of the stride.

    It is that of the encoder or the decoder, whichever is larger. Raises BundleError if an output
    depends on the whole image.
    """
    spec, latent = manifest.input, manifest.latent
    rng = np.random.default_rng(0)

    def draw_image(rows: int, columns: int) -> Array:
        shape = (TRIALS, spec.channels, rows * spec.stride, columns * spec.stride)
        noise = rng.integers(0, 256, shape, np.uint8)
        noise[::2] = np.where(noise[::2] < 128, 0, 255)
        return noise

    def draw_latent(rows: int, columns: int) -> Array:
        shape = (TRIALS, latent.dims, rows, columns)
        if latent.codebook is not None:
            return rng.integers(0, latent.codebook, shape, np.int32)
        z = rng.normal(0.0, 2.0, shape).astype(np.float32)
        # The rate channel is the same at every position.
        return np.concatenate([z, np.zeros_like(z[:, :1])], axis=1) if latent.rate_aware else z

    encoder = radius_in_cells(graphs.encode, draw_image)
    decoder = radius_in_cells(lambda z: (graphs.decode(z),), draw_latent)
    return (max(encoder, decoder) + SPARE_CELLS) * spec.stride


def radius_in_cells(
    run: Callable[[Array], tuple[Array, ...]], draw: Callable[[int, int], Array]
) -> int:
    """How many cells around its own the outputs of `run` depend on.

    `draw(rows, columns)` gives an input of this many cells. Raises BundleError for more than
    MOST_CELLS.
    """
    half = FIRST_CELLS
    while half <= MOST_CELLS:
        down = _cells_changed(run, draw(2 * half, HEIGHT_CELLS), half, 2)
        across = _cells_changed(run, draw(HEIGHT_CELLS, 2 * half), half, 3)
        if max(down, across) < half - 1:
            return max(down, across)
        half *= 2
    raise BundleError(
        f"an output of the network depends on more than {MOST_CELLS} cells around its own; a model "
        "for images of any size needs a bounded receptive field"
    )


def _cells_changed(
    run: Callable[[Array], tuple[Array, ...]], first: Array, half: int, axis: int
) -> int:
    """How many cells next to a cut through the middle change when the other side is replaced."""
    second = np.roll(first, 1, axis=0)  # the other images of the batch
    cut = first.shape[axis] // 2
    before = (slice(None),) * axis
    cells = 0
    for part, above in ((slice(cut, None), False), (slice(None, cut), True)):
        changed = first.copy()
        changed[*before, part] = second[*before, part]
        for a, b in zip(run(first), run(changed), strict=True):
            lines = np.moveaxis(a != b, axis, 0).reshape(2 * half, -1).any(1)
            side = lines[half:][::-1] if above else lines[:half]
            cells = max(cells, half - int(np.append(side, True).argmax()))
    return cells
