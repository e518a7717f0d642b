"""Finite scalar quantisation (Mentzer et al. 2023, arXiv:2309.15505) on the map trunk.

Each of a few latent channels is bounded and rounded to one of its levels. The codebook is the grid
of all combinations, so there is nothing to learn, to commit to, or to revive.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from training.config.model import ModelConfig
from training.models.base import IndexModel
from training.models.latents import Quantised, straight_through
from training.models.map_latent import map_decoder, map_encoder

# Part of the range that is left free, so that rounding reaches the outermost levels.
MARGIN = 1e-3


class Fsq(IndexModel):
    """Autoencoder whose latent is a map of small whole numbers: G = len(levels) per position."""

    levels: Tensor
    half_range: Tensor
    offset: Tensor
    shift: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        count = len(config.levels)
        self.encoder = map_encoder(config, count)
        self.decoder = map_decoder(config, count)
        levels = torch.tensor(config.levels).reshape(1, count, 1, 1)
        half_range = (levels - 1) * (1 - MARGIN) / 2
        offset = torch.where(levels % 2 == 1, 0.0, 0.5)
        self.register_buffer("levels", levels, persistent=False)
        self.register_buffer("half_range", half_range, persistent=False)
        self.register_buffer("offset", offset, persistent=False)
        self.register_buffer("shift", torch.tan(offset / half_range), persistent=False)

    def encode(self, x: Tensor) -> Quantised:
        """x to codes [B, G, h, w]; `distance` is the squared rounding error of levels 1 apart."""
        bounded = self.bound(self.encoder(x).float())
        whole = bounded.round()
        indices = whole.long() + self.levels // 2
        z = self._scaled(straight_through(bounded, whole))
        return Quantised(z, indices, (bounded.detach() - whole) ** 2, ())

    def decode_indices(self, indices: Tensor) -> Tensor:
        """Indices int64 [B, G, h, w] to x_hat [B, C, H, W] in [0, 1]."""
        return self.decode(self._scaled((indices - self.levels // 2).float()))

    def tally(self, indices: Tensor) -> Mapping[str, Tensor]:
        """Counts of the joint codes, one for each combination of levels."""
        joint = torch.zeros_like(indices[:, 0])
        for channel, levels in enumerate(self.config.levels):
            joint = joint * levels + indices[:, channel]
        return {"codes": torch.bincount(joint.flatten(), minlength=math.prod(self.config.levels))}

    def bound(self, latent: Tensor) -> Tensor:
        """Latents [B, G, h, w] to the range that rounds to `levels` whole numbers.

        Odd numbers of levels lie around 0, even ones around -1/2 (listing of the paper's appendix).
        """
        return torch.tanh(latent + self.shift) * self.half_range - self.offset

    def _scaled(self, whole: Tensor) -> Tensor:
        """Whole numbers to about [-1, 1]."""
        return whole / (self.levels // 2)
