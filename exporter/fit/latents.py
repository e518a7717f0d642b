"""The latents of training images, as the encoder gives them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from codec.arrays import F32, U8, Array
from codec.bundle.manifest import LatentSpec, Manifest
from codec.graphs.protocol import Graphs
from codec.images.files import prepare
from codec.images.input_spec import InputSpec
from codec.quantise import quantise

MIN_SIGMA = 1e-4
# Latents that are kept in memory, as float32.
MAX_LATENTS = 2**26
# Pixels of one call of the encoder.
CALL_PIXELS = 2**18


@dataclass(frozen=True, slots=True, eq=False)
class Latents:
    """The latents of the training images.

    `maps` holds codes or means `[N, D, h, w]`, one array for each size of maps; a global latent is
    a map of 1 by 1. `sigma [D]` is the geometric mean of the posterior's standard deviation.
    """

    maps: tuple[Array, ...]
    sigma: F32

    def flat(self) -> Array:
        """All positions of all images, `[1, D, n]`."""
        columns = [m.transpose(1, 0, 2, 3).reshape(m.shape[1], -1) for m in self.maps]
        return np.concatenate(columns, axis=1)[None]


def batches(images: Iterable[U8], spec: InputSpec) -> Iterator[U8]:
    """Images `[H, W, C]` as the input of the encoder, uint8 `[B, C, H, W]`.

    A batch holds consecutive images of one shape.
    """
    batch: list[U8] = []
    for image in images:
        tiles = prepare(image, spec).tiles
        if batch and (batch[0].shape != tiles.shape or len(batch) * tiles.size >= CALL_PIXELS):
            yield np.concatenate(batch)
            batch = []
        batch.append(tiles)
    if batch:
        yield np.concatenate(batch)


def encode_all(graphs: Graphs, batches: Iterable[U8], latent: LatentSpec) -> Latents:
    """Runs the encoder over uint8 batches `[B, C, H, W]`."""
    maps: dict[tuple[int, ...], list[Array]] = {}
    total, count = np.zeros(latent.dims), 0
    for x in batches:
        values, log_var = graphs.encode(x)
        size = values.shape[2:] or (1, 1)
        maps.setdefault(size, []).append(values.reshape(len(values), latent.dims, *size))
        if latent.kind == "gaussian":
            flat = log_var.reshape(len(log_var), latent.dims, -1).astype(np.float64)
            total += flat.mean(2).sum(0)
            count += len(log_var)
    sigma = np.exp(total / max(count, 1) / 2).astype(np.float32)
    joined = tuple(np.concatenate(parts) for parts in maps.values())
    return Latents(joined, np.maximum(sigma, np.float32(MIN_SIGMA)))


def thin_out(images: Sequence[U8], manifest: Manifest) -> Sequence[U8]:
    """Images `[H, W, C]` drawn evenly from all, so that their latents fit in memory."""
    latent, spec = manifest.latent, manifest.input
    if latent.grid is not None:
        total = len(images) * latent.dims * latent.grid[0] * latent.grid[1]
    else:
        positions = sum(image.shape[0] * image.shape[1] for image in images) / spec.stride**2
        total = round(latent.dims * positions)
    return images[:: max(1, -(-total // MAX_LATENTS))]


def statistics(latents: Latents, latent: LatentSpec, step: F32) -> tuple[F32, F32]:
    """Mean and variance `[D]` of the decoder's input over the training images."""
    values = latents.flat().astype(np.float32)
    if latent.kind == "gaussian":
        values = quantise(values, step) * step.reshape(1, -1, 1)
    mean = values.mean((0, 2), dtype=np.float64)
    # The step's own noise gives an unused dimension a variance above 0.
    variance = values.var((0, 2), dtype=np.float64) + step.astype(np.float64) ** 2 / 12.0
    return mean.astype(np.float32), variance.astype(np.float32)
