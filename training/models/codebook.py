"""A codebook that is learned by moving averages, or by a loss.

Each code is the running mean of the latents that chose it (van den Oord et al. 2017, appendix A):
online k-means. Or it is a parameter, and a loss draws it to its latents (eq. 3 there). It starts
from k-means of the first batch. Codes that fall out of use are put onto latents of the current
batch (Jukebox, Dhariwal et al. 2020), the more likely the worse a latent is served, as in
k-means++: most latents of a plain background need no further code.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.models.latents import Codes

# A code is moved if a batch uses it less often than this part of an even share.
ALIVE = 0.05
# Smallest divisor, for codes with a count of 0.
TINY = 1e-5


class Codebook(nn.Module):
    """K codes of D values; `unit` compares directions only: latents and codes have length 1.

    `seed` and `update` are called by the training step only.
    """

    codes: Tensor
    counts: Tensor
    sums: Tensor
    started: Tensor

    def __init__(self, size: int, dims: int, *, unit: bool = False) -> None:
        super().__init__()
        self.unit = unit
        self.register_buffer("codes", torch.zeros(size, dims))
        self.register_buffer("counts", torch.zeros(size))
        self.register_buffer("sums", torch.zeros(size, dims))
        self.register_buffer("started", torch.zeros((), dtype=torch.bool))

    def learn_by_loss(self) -> None:
        """Makes the codes a parameter; their loss is `training.objectives.likelihoods.codebook`."""
        codes = self.codes
        del self.codes
        self.codes = nn.Parameter(codes)

    @property
    def learned_by_loss(self) -> bool:
        """Whether gradients move the codes."""
        return isinstance(self.codes, nn.Parameter)

    def quantise(self, latent: Tensor) -> Codes:
        """latent [B, D, h, w] to the nearest codes; gradients flow to both."""
        latent = self._scaled(latent.float(), 1)
        indices, distance = self.nearest(latent.detach())
        return Codes(indices, distance, latent, self.look_up(indices))

    def nearest(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """latent [B, D, h, w] to indices int64 [B, h, w] and squared distances [B, h, w]."""
        squares = squared_distances(_rows(latent), self._scaled(self.codes.detach(), 1))
        distance, indices = squares.min(dim=1)
        shape = (len(latent), *latent.shape[2:])
        return indices.reshape(shape), distance.clamp_min(0).reshape(shape)

    def look_up(self, indices: Tensor) -> Tensor:
        """Indices [B, h, w] to codes [B, D, h, w]."""
        return self._scaled(self.codes[indices], 3).permute(0, 3, 1, 2)

    def _scaled(self, vectors: Tensor, dim: int) -> Tensor:
        return functional.normalize(vectors, dim=dim) if self.unit else vectors

    @torch.no_grad()
    def seed(self, latent: Tensor, generator: torch.Generator) -> None:
        """Seeds the codes from a first batch, latent [B, D, h, w]; nothing if that is done."""
        if bool(self.started):
            return
        flat = _rows(self._scaled(latent.float(), 1))
        codes, counts = kmeans(flat, len(self.codes), generator)
        self.codes.copy_(codes)
        self.counts.copy_(counts)
        self.sums.copy_(codes * counts[:, None])
        self.started.fill_(True)

    @torch.no_grad()
    def update(self, chosen: Codes, decay: float, generator: torch.Generator) -> None:
        """Moves each code to the mean of its latents, unless a loss does; revives unused codes.

        Latents that are not finite change nothing: their step will be skipped.
        """
        size, flat = len(self.codes), _rows(chosen.latent)
        if not bool(flat.isfinite().all()):
            return
        indices = chosen.indices.reshape(-1)
        counts = torch.bincount(indices, minlength=size).to(flat.dtype)
        self.counts.lerp_(counts, 1 - decay)
        if not self.learned_by_loss:
            sums = torch.zeros_like(self.sums).index_add_(0, indices, flat)
            self.sums.lerp_(sums, 1 - decay)
            self.codes.copy_(self.sums / self.counts.clamp_min(TINY)[:, None])
        self._revive(flat, chosen.distance.reshape(-1), generator)

    def _revive(self, flat: Tensor, distance: Tensor, generator: torch.Generator) -> None:
        share = len(flat) / len(self.codes)
        dead = self.counts < ALIVE * share
        if number := int(dead.sum()):
            picks = torch.multinomial(
                distance + 1e-12, number, replacement=True, generator=generator
            )
            self.counts[dead] = share
            self.sums[dead] = flat[picks] * share
            self.codes[dead] = flat[picks]


def _rows(latent: Tensor) -> Tensor:
    return latent.permute(0, 2, 3, 1).reshape(-1, latent.shape[1])


def squared_distances(points: Tensor, codes: Tensor) -> Tensor:
    """[N, D] and [K, D] to |p - c|^2 as [N, K]."""
    if torch.is_autocast_enabled(points.device.type):
        # bf16 has too few digits for the difference of such squares.
        with torch.autocast(points.device.type, enabled=False):
            return squared_distances(points, codes)
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
