"""How far an output of a network that takes any size sees, measured on its graphs.

One half of an image is replaced, and so is one half of a latent map: what changes on the other side
of the cut lies within the reach of it, and the rest keeps every bit. An influence that no bit of
float32 shows does not count, which is what makes tiles with a margin of this reach equal to the
whole but for rounding.
"""

from collections.abc import Callable

import numpy as np

from codec.arrays import Array
from codec.bundle.manifest import Manifest
from codec.errors import BundleError
from codec.graphs.protocol import Graphs

# An influence may hide below the rounding of the drawn images, and show in others.
SPARE_CELLS = 1
# Half the width of the first and of the largest images, and their height, in cells of one stride.
FIRST_CELLS, MOST_CELLS, HEIGHT_CELLS = 8, 128, 6
TRIALS = 6


def measure(graphs: Graphs, manifest: Manifest) -> int | None:
    """The reach in pixels, a multiple of the stride, of the encoder or the decoder, whichever sees
    further; None for models of fixed size.

    Raises BundleError where an output depends on the whole image.
    """
    spec, latent = manifest.input, manifest.latent
    if spec.height is not None:
        return None
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
        # The octaves are the same everywhere, and no position need hear of them from another.
        return np.concatenate([z, np.zeros_like(z[:, :1])], axis=1) if latent.rate_aware else z

    encoder = cells_seen(graphs.encode, draw_image)
    decoder = cells_seen(lambda z: (graphs.decode(z),), draw_latent)
    return (max(encoder, decoder) + SPARE_CELLS) * spec.stride


def cells_seen(run: Callable[[Array], tuple[Array, ...]], draw: Callable[[int, int], Array]) -> int:
    """How many cells beyond its own an output depends on; `draw(rows, columns)` gives inputs of so
    many cells.

    Raises BundleError for more than MOST_CELLS.
    """
    half = FIRST_CELLS
    while half <= MOST_CELLS:
        down = _cells_changed(run, draw(2 * half, HEIGHT_CELLS), half, 2)
        across = _cells_changed(run, draw(HEIGHT_CELLS, 2 * half), half, 3)
        if max(down, across) < half - 1:
            return max(down, across)
        half *= 2
    raise BundleError(
        f"an output of the network depends on more than {MOST_CELLS} cells around its own: images "
        "of any size need a network that sees a bounded part of them"
    )


def _cells_changed(
    run: Callable[[Array], tuple[Array, ...]], first: Array, half: int, axis: int
) -> int:
    """How many cells beyond a cut through the middle change when the other side is replaced."""
    second = np.roll(first, 1, axis=0)  # the other images of the batch
    cut = first.shape[axis] // 2
    before = (slice(None),) * axis
    seen = 0
    for part, above in ((slice(cut, None), False), (slice(None, cut), True)):
        changed = first.copy()
        changed[*before, part] = second[*before, part]
        for a, b in zip(run(first), run(changed), strict=True):
            lines = np.moveaxis(a != b, axis, 0).reshape(2 * half, -1).any(1)
            side = lines[half:][::-1] if above else lines[:half]
            seen = max(seen, half - int(np.append(side, True).argmax()))
    return seen
