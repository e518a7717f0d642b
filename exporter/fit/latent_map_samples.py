"""Random positions of latent maps with their neighbours, for fitting a map prior."""

from collections.abc import Iterator, Sequence

import numpy as np

from codec.arrays import F32
from codec.priors.latent_map import MEAN_BLOCKS
from codec.priors.scan_order import CodingPass
from codec.quantise import MAX_CODE

# Latent maps `[N, D, h, w]`, one array for each size.
Maps = Sequence[F32]
# Latents held in memory at once.
CHUNK = 2**23


def draw(maps: Maps, coding_pass: CodingPass, positions: int) -> Iterator[F32]:
    """Latents `[n, 9, D]` at about `positions` positions of a pass, with their neighbours.

    Every image contributes; the last chunk of a size may be small.
    """
    rng = np.random.default_rng(len(maps))
    total = sum(len(m) * m[0, 0, *coding_pass.grid].size for m in maps)
    for values in maps:
        per_image = values[0, 0, *coding_pass.grid].size
        wanted = min(1.0, positions / max(total, 1)) * len(values) * per_image
        if wanted == 0:
            continue
        # Half the positions of twice the images: neighbouring positions are much alike.
        count = min(len(values), int(2 * wanted / per_image) + 1)
        images = rng.permutation(len(values))[:count]
        share = min(1.0, wanted / (count * per_image))
        size = max(1, CHUNK // (MEAN_BLOCKS * values[0].size))
        for first in range(0, count, size):
            latents = _with_neighbours(values[images[first : first + size]], coding_pass)
            chosen = rng.permutation(len(latents))[: max(1, round(share * len(latents)))]
            yield latents[chosen]


def sample(maps: Maps, coding_pass: CodingPass, positions: int) -> F32:
    """The latents of `draw` as one array; empty if no map has a position of this pass."""
    none = np.zeros((0, MEAN_BLOCKS, maps[0].shape[1]), np.float32)
    return np.concatenate([none, *draw(maps, coding_pass, positions)])


def codes_of(latents: F32, step: F32) -> F32:
    """Codes `[n, 9, D]` of latents, as in codec.quantise; float32 holds them exactly."""
    return np.asarray(np.clip(np.rint(latents / step), -MAX_CODE, MAX_CODE), np.float32)


def magnitudes(codes: F32) -> F32:
    """Magnitudes `[n, 3, D]` of codes `[n, 9, D]`, summed over each group of neighbours."""
    size = np.abs(codes)
    return np.stack([size[:, 0], size[:, 1:5].sum(1), size[:, 5:].sum(1)], 1)


def _with_neighbours(values: F32, coding_pass: CodingPass) -> F32:
    """Latents `[n, 9, D]` at all positions of a pass in maps `[N, D, h, w]`."""
    known = np.moveaxis(values, 1, 3)
    steps = [(0, 0), *(step for group in coding_pass.neighbour_groups for step in group)]
    images, lines, columns, dims = known[:, *coding_pass.grid].shape
    latents = np.zeros((images, lines, columns, MEAN_BLOCKS, dims), np.float32)
    for block, step in enumerate(steps):
        latents[:, :, :, block] = coding_pass.neighbours(known, step)
    return latents.reshape(-1, MEAN_BLOCKS, dims)
