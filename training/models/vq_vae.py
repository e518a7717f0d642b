"""Vector-quantised autoencoder on the trunk of the map families (van den Oord et al. 2017)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.config import ModelConfig
from training.models.codebook import Codebook
from training.models.latents import Codes
from training.models.map_latent import map_decoder, map_encoder


class VqVae(nn.Module):
    """Autoencoder whose latent is a map of indices into a codebook."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = map_encoder(config, config.latent)
        self.codebook = Codebook(config.codebook, config.latent)
        self.decoder = map_decoder(config)

    def encode(self, x: Tensor) -> Codes:
        """x [B, C, H, W] in [0, 1], sides multiples of the stride, to codes [B, h, w]."""
        latent = self.encoder(x)
        if self.config.unit_codes:
            latent = functional.normalize(latent, dim=1)
        indices, distance = self.codebook.nearest(latent)
        return Codes(indices, distance, latent)

    def decode(self, z: Tensor) -> Tensor:
        """z [B, D, h, w], entries of the codebook, to x_hat [B, C, H, W] in [0, 1]."""
        return torch.sigmoid(self.decoder(z))

    def decode_indices(self, indices: Tensor) -> Tensor:
        """Indices [B, h, w] to x_hat [B, C, H, W] in [0, 1]."""
        return self.decode(self.codebook.look_up(indices))
