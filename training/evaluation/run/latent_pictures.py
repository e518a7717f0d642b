"""Images that show what a latent space holds: model in, images [N, C, H, W] in [0, 1] out.

Latents are z [D] or [D, h, w] of one image, without a batch dimension.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from training.metrics.latents import active_units
from training.models import GaussianModel, IndexModel, Model

REACH = 3.0
"""how far a traversal goes, in standard deviations of the posterior means"""
BATCH_PIXELS = 2**20
"""pixels that are decoded at a time, at most (or one image)"""


@torch.no_grad()
def reconstruct(model: Model, x: Tensor) -> Tensor:
    """Images [B, C, H, W] in [0, 1] through their codes or posterior means, without noise."""
    if isinstance(model, IndexModel):
        return model.decode_indices(model.encode(x).indices)
    return model.decode(model.encode(x).mu)


@torch.no_grad()
def decode(model: GaussianModel, z: Tensor, pixels: int) -> Tensor:
    """z [N, ...] to images, a part at a time; `pixels` of an image bound the memory."""
    size = max(1, BATCH_PIXELS // pixels)
    return torch.cat([model.decode(z[i : i + size]) for i in range(0, len(z), size)])


def gaussian_samples(count: int, shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """z ~ N(0, I), [N, D] or [N, D, h, w]; `shape` is that of one image's latents."""
    return torch.randn((count, *shape), generator=generator)


def index_samples(count: int, indices: Tensor, generator: torch.Generator) -> Tensor:
    """Index maps whose symbols are drawn one by one as often as in `indices` [N, G, h, w].

    Each of the G symbols has frequencies of its own; positions are independent.
    """
    number, symbols, height, width = indices.shape
    pool = indices.transpose(0, 1).reshape(symbols, -1)
    shape = (symbols, count * height * width)
    picks = torch.randint(number * height * width, shape, generator=generator)
    drawn = pool.gather(1, picks).reshape(symbols, count, height, width)
    return drawn.transpose(0, 1)


def between(first: Tensor, last: Tensor, steps: int) -> Tensor:
    """Latents on the straight line from one to another, both included: [steps, ...]."""
    return torch.stack([torch.lerp(first, last, k / (steps - 1)) for k in range(steps)])


def between_four(corners: Tensor, side: int) -> Tensor:
    """Bilinear mixtures of four latents [4, ...] as a grid [side, side, ...].

    Corners in reading order: top left, top right, bottom left, bottom right.
    """
    left, right = between(corners[0], corners[2], side), between(corners[1], corners[3], side)
    return torch.stack([between(a, b, side) for a, b in zip(left, right, strict=True)])


def spreads(means: Tensor) -> Tensor:
    """Standard deviations [D] of posterior means [N, D] or [N, D, h, w]; a map is pooled."""
    return means.transpose(0, 1).flatten(1).std(dim=1, unbiased=False)


def most_active(means: Tensor, count: int) -> list[int]:
    """The active latents that vary most, at most `count` of them, the most active first."""
    order = spreads(means).argsort(descending=True)[:count].tolist()
    active = active_units(means)
    return [d for d in order if active[d]]


def traversals(z: Tensor, latents: Sequence[int], means: Tensor, columns: int) -> Tensor:
    """One row of `columns` latents for each of `latents`, [R, columns, ...].

    The latent goes from -3 to +3 standard deviations of the posterior means around its value in z;
    in a map at all positions at once.
    """
    offsets = torch.linspace(-REACH, REACH, columns)
    if columns % 2:
        offsets[columns // 2] = 0.0
    rows = z.expand(len(latents), columns, *z.shape).clone()
    deviations = spreads(means)
    for row, latent in zip(rows, latents, strict=True):
        moved = offsets * deviations[latent]
        row[:, latent] += moved.reshape(-1, *[1] * (z.dim() - 1))
    return rows
