"""A codebook that is learned by moving averages instead of gradients.

Each code is the running mean of the latents that chose it (van den Oord et al. 2017, appendix A):
online k-means. It starts from k-means of the first batch. Codes that fall out of use are put onto
latents of the current batch (Jukebox, Dhariwal et al. 2020), the more likely the worse a latent is
served, as in k-means++: most latents of a plain background need no further code.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.models.latents import Codes

ALIVE = 0.05
"""a code used less often per batch than this part of an even share is moved"""


TINY = 1e-5
"""of counts, so that a code nobody chose can be divided by it"""


class Codebook(nn.Module):
    """K codes of D values. `update` is called by the training step only."""

    codes: Tensor
    counts: Tensor
    sums: Tensor
    started: Tensor

    def __init__(self, size: int, dims: int) -> None:
        super().__init__()
        self.register_buffer("codes", torch.zeros(size, dims))
        self.register_buffer("counts", torch.zeros(size))
        self.register_buffer("sums", torch.zeros(size, dims))
        self.register_buffer("started", torch.zeros((), dtype=torch.bool))

    def nearest(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """latent [B, D, h, w] to indices int64 [B, h, w] and squared distances [B, h, w]."""
        batch, dims, height, width = latent.shape
        flat = latent.permute(0, 2, 3, 1).reshape(-1, dims)
        squares = squared_distances(flat, self.codes)
        distance, indices = squares.min(dim=1)
        shape = (batch, height, width)
        return indices.reshape(shape), distance.clamp_min(0).reshape(shape)

    def look_up(self, indices: Tensor) -> Tensor:
        """Indices [B, h, w] to codes [B, D, h, w]."""
        return self.codes[indices].permute(0, 3, 1, 2)

    @torch.no_grad()
    def start(self, latent: Tensor, generator: torch.Generator) -> None:
        """Seed the codes from the first batch, latent [B, D, h, w]."""
        flat = latent.permute(0, 2, 3, 1).reshape(-1, latent.shape[1])
        codes, counts = kmeans(flat, len(self.codes), generator)
        self.codes.copy_(codes)
        self.counts.copy_(counts)
        self.sums.copy_(codes * counts[:, None])
        self.started.fill_(True)

    @torch.no_grad()
    def update(self, found: Codes, decay: float, generator: torch.Generator) -> None:
        """Move each code towards the mean of its latents; revive the codes nobody uses."""
        size = len(self.codes)
        flat = found.latent.permute(0, 2, 3, 1).reshape(-1, self.codes.shape[1])
        chosen = found.indices.reshape(-1)
        counts = torch.bincount(chosen, minlength=size).to(flat.dtype)
        sums = torch.zeros_like(self.sums).index_add_(0, chosen, flat)
        self.counts.lerp_(counts, 1 - decay)
        self.sums.lerp_(sums, 1 - decay)
        share = len(flat) / size
        dead = self.counts < ALIVE * share
        if number := int(dead.sum()):
            need = found.distance.reshape(-1) + 1e-12
            picks = torch.multinomial(need, number, replacement=True, generator=generator)
            self.counts[dead] = share
            self.sums[dead] = flat[picks] * share
        self.codes.copy_(self.sums / self.counts.clamp_min(TINY)[:, None])


def squared_distances(points: Tensor, codes: Tensor) -> Tensor:
    """[N, D] and [K, D] to |p - c|^2 as [N, K]."""
    return (points**2).sum(1, keepdim=True) - 2 * points @ codes.T + (codes**2).sum(1)


def kmeans(
    points: Tensor, size: int, generator: torch.Generator, rounds: int = 10
) -> tuple[Tensor, Tensor]:
    """[N, D] to centres [size, D] and how many points each has: Lloyd's algorithm.

    With fewer points than centres, points are repeated with a little noise.
    """
    picks = torch.randperm(len(points), generator=generator, device=points.device)[:size]
    centres = points[picks.repeat(-(-size // len(picks)))[:size]].clone()
    if len(points) < size:
        noise = torch.randn(centres.shape, generator=generator, device=points.device)
        centres += 1e-3 * noise * points.std(unbiased=False)
    counts = torch.zeros(size)
    for _ in range(rounds):
        chosen = squared_distances(points, centres).argmin(1)
        counts = torch.bincount(chosen, minlength=size).to(points.dtype)
        sums = torch.zeros_like(centres).index_add_(0, chosen, points)
        used = counts > 0
        centres[used] = sums[used] / counts[used, None]
    return centres, counts
