"""Latents and images that show a latent space: samples, interpolations and traversals.

Images are [N, C, H, W] in [0, 1]. Latents are z [D] or [D, h, w] of one image, not of a batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from training.metrics.latents import active_units
from training.models import GaussianModel

# How far a traversal goes to each side, in standard deviations of the posterior means.
TRAVERSAL_DEVIATIONS = 3.0
# At most this many pixels are decoded at a time, or one image.
BATCH_PIXELS = 2**20


@torch.no_grad()
def decode(model: GaussianModel, z: Tensor, pixels: int) -> Tensor:
    """Decodes z [N, ...] in batches that bound the memory; `pixels` are those of one image."""
    size = max(1, BATCH_PIXELS // pixels)
    return torch.cat([model.decode(z[i : i + size]) for i in range(0, len(z), size)])


def gaussian_samples(count: int, shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """z ~ N(0, I), [N, D] or [N, D, h, w]; `shape` is that of one image's latents."""
    return torch.randn((count, *shape), generator=generator)


def index_samples(count: int, indices: Tensor, generator: torch.Generator) -> Tensor:
    """Index maps [count, G, h, w] with the symbol frequencies of `indices` [N, G, h, w].

    Each of the G symbols has its own frequencies; positions are independent.
    """
    number, symbols, height, width = indices.shape
    pool = indices.transpose(0, 1).reshape(symbols, -1)
    shape = (symbols, count * height * width)
    picks = torch.randint(number * height * width, shape, generator=generator)
    drawn = pool.gather(1, picks).reshape(symbols, count, height, width)
    return drawn.transpose(0, 1)


def between(first: Tensor, last: Tensor, steps: int) -> Tensor:
    """Latents [steps, ...] on the straight line between two, both included."""
    return torch.stack([torch.lerp(first, last, k / (steps - 1)) for k in range(steps)])


def between_four(corners: Tensor, side: int) -> Tensor:
    """Bilinear mixtures of four latents [4, ...] as a grid [side, side, ...].

    Corners in reading order: top left, top right, bottom left, bottom right.
    """
    left, right = between(corners[0], corners[2], side), between(corners[1], corners[3], side)
    return torch.stack([between(a, b, side) for a, b in zip(left, right, strict=True)])


def spreads(means: Tensor) -> Tensor:
    """Standard deviations [D] of posterior means [N, D] or [N, D, h, w], over all positions."""
    return means.transpose(0, 1).flatten(1).std(dim=1, unbiased=False)


def most_active(means: Tensor, count: int) -> list[int]:
    """At most `count` active latents, those that vary most first."""
    order = spreads(means).argsort(descending=True)[:count].tolist()
    active = active_units(means)
    return [d for d in order if active[d]]


def traversals(z: Tensor, latents: Sequence[int], means: Tensor, columns: int) -> Tensor:
    """One row of `columns` variants of z for each of the `latents`: [len(latents), columns, ...].

    The latent goes from -3 to +3 standard deviations of the posterior means around its value in z,
    in a map at all positions together.
    """
    offsets = torch.linspace(-TRAVERSAL_DEVIATIONS, TRAVERSAL_DEVIATIONS, columns)
    if columns % 2:
        offsets[columns // 2] = 0.0
    rows = z.expand(len(latents), columns, *z.shape).clone()
    deviations = spreads(means)
    for row, latent in zip(rows, latents, strict=True):
        moved = offsets * deviations[latent]
        row[:, latent] += moved.reshape(-1, *[1] * (z.dim() - 1))
    return rows
