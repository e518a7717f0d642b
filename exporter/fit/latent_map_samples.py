"""Positions of latent maps with their neighbours, drawn at random for the fit of a map prior."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from codec.priors.latent_map import MEAN_BLOCKS
from codec.priors.scan_order import LatticePass
from codec.quantise import F32, MAX_CODE

Maps = Sequence[F32]
"""latent maps `[N, D, h, w]`, one array for each size"""
CHUNK = 2**23
"""latents held at once"""


def draw(maps: Maps, lattice: LatticePass, positions: int) -> Iterator[F32]:
    """Latents `[n, 9, D]` at about so many positions of a pass: their own and the neighbours'.

    Every image gives its share; the last chunk of a size may be small.
    """
    rng = np.random.default_rng(len(maps))
    total = sum(len(m) * m[0, 0, *lattice.grid].size for m in maps)
    for values in maps:
        each = values[0, 0, *lattice.grid].size
        wanted = min(1.0, positions / max(total, 1)) * len(values) * each
        if wanted == 0:
            continue
        # Twice the images that would do, and half of each: neighbouring positions are much alike.
        count = min(len(values), int(2 * wanted / each) + 1)
        images = rng.permutation(len(values))[:count]
        share = min(1.0, wanted / (count * each))
        size = max(1, CHUNK // (MEAN_BLOCKS * values[0].size))
        for first in range(0, count, size):
            found = _with_neighbours(values[images[first : first + size]], lattice)
            chosen = rng.permutation(len(found))[: max(1, round(share * len(found)))]
            yield found[chosen]


def sample(maps: Maps, lattice: LatticePass, positions: int) -> F32:
    """What `draw` gives, as one array; it is empty if no map reaches this pass."""
    none = np.zeros((0, MEAN_BLOCKS, maps[0].shape[1]), np.float32)
    return np.concatenate([none, *draw(maps, lattice, positions)])


def codes_of(latents: F32, step: F32) -> F32:
    """Codes `[n, 9, D]` of latents, as codec.quantise has them; float32 holds them exactly."""
    return np.asarray(np.clip(np.rint(latents / step), -MAX_CODE, MAX_CODE), np.float32)


def sizes_of(codes: F32) -> F32:
    """Magnitudes `[n, 3, D]` of codes `[n, 9, D]`, summed over each set of neighbours."""
    size = np.abs(codes)
    return np.stack([size[:, 0], size[:, 1:5].sum(1), size[:, 5:].sum(1)], 1)


def _with_neighbours(values: F32, lattice: LatticePass) -> npt.NDArray[np.float32]:
    known = np.moveaxis(values, 1, 3)
    dims = known.shape[3]
    steps = [(0, 0), *(step for block in lattice.sets for step in block)]
    shape = (len(known), known[0, *lattice.grid].shape[0], known[0, *lattice.grid].shape[1])
    found = np.zeros((*shape, MEAN_BLOCKS, dims), np.float32)
    for block, step in enumerate(steps):
        found[:, :, :, block] = lattice.neighbours(known, step)
    return found.reshape(-1, MEAN_BLOCKS, dims)
