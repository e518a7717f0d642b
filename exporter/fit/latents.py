"""What the encoder makes of the training images."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from codec.arrays import F32, U8, Array
from codec.bundle.manifest import LatentSpec, Manifest
from codec.graphs.protocol import Graphs
from codec.quantise import quantise

MIN_SIGMA = 1e-4
MAX_LATENTS = 2**26
"""latents that are kept, as float32"""


@dataclass(frozen=True, slots=True, eq=False)
class Latents:
    """Codes or mu `[N, D, h, w]` of the training images, an array for each size of maps (1 by 1 for
    a global latent), and the mean posterior sigma `[D]`.
    """

    maps: tuple[Array, ...]
    sigma: F32

    def flat(self) -> Array:
        """All positions of all images in a row, `[1, D, n]`."""
        columns = [m.transpose(1, 0, 2, 3).reshape(m.shape[1], -1) for m in self.maps]
        return np.concatenate(columns, axis=1)[None]


def encode_all(graphs: Graphs, batches: Iterable[U8], latent: LatentSpec) -> Latents:
    """Runs the encoder over uint8 batches `[B, C, H, W]`."""
    found: dict[tuple[int, ...], list[Array]] = {}
    variance, count = np.zeros(latent.dims), 0
    for x in batches:
        values, second = graphs.encode(x)
        size = values.shape[2:] or (1, 1)
        found.setdefault(size, []).append(values.reshape(len(values), latent.dims, *size))
        if latent.kind == "gaussian":
            flat = second.reshape(len(second), latent.dims, -1).astype(np.float64)
            variance += np.exp(flat).mean(2).sum(0)
            count += len(second)
    sigma = np.sqrt(variance / max(count, 1)).astype(np.float32)
    maps = tuple(np.concatenate(parts) for parts in found.values())
    return Latents(maps, np.maximum(sigma, np.float32(MIN_SIGMA)))


def enough(images: Sequence[U8], manifest: Manifest) -> Sequence[U8]:
    """Images `[H, W, C]`, all or, evenly drawn, as many as have latents that fit in memory."""
    latent, spec = manifest.latent, manifest.input
    if latent.grid is not None:
        total = len(images) * latent.dims * latent.grid[0] * latent.grid[1]
    else:
        positions = sum(image.shape[0] * image.shape[1] for image in images) / spec.stride**2
        total = round(latent.dims * positions)
    return images[:: max(1, -(-total // MAX_LATENTS))]


def statistics(latents: Latents, latent: LatentSpec, step: F32) -> tuple[F32, F32]:
    """Mean and variance `[D]` of what the decoder gets, over the training images."""
    values = latents.flat().astype(np.float32)
    if latent.kind == "gaussian":
        values = quantise(values, step) * step.reshape(1, -1, 1)
    mean = values.mean((0, 2), dtype=np.float64)
    # The step's own noise keeps a dead dimension from having no variance at all.
    variance = values.var((0, 2), dtype=np.float64) + step.astype(np.float64) ** 2 / 12.0
    return mean.astype(np.float32), variance.astype(np.float32)
