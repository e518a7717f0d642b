"""Vector-quantised autoencoder on the trunk of the map families (van den Oord et al. 2017)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from training.config.model import ModelConfig
from training.models.codebook import Codebook
from training.models.index_model import IndexModel
from training.models.latents import Quantised, straight_through
from training.models.map_latent import map_decoder, map_encoder


class VqVae(IndexModel):
    """Autoencoder whose latent is a map of indices into a codebook: G = 1."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = map_encoder(config, config.latent)
        self.codebook = Codebook(config.codebook, config.latent, unit=config.unit_codes)
        self.decoder = map_decoder(config, config.latent)

    def encode(self, x: Tensor) -> Quantised:
        """See IndexModel; `distance` is the squared distance to the chosen code."""
        codes = self.codebook.quantise(self.encoder(x))
        z = straight_through(codes.latent, codes.codes)
        return Quantised(z, codes.indices[:, None], codes.distance[:, None], (codes,))

    def decode_indices(self, indices: Tensor) -> Tensor:
        """See IndexModel."""
        return self.decode(self.codebook.look_up(indices[:, 0]))

    def tally(self, indices: Tensor) -> Mapping[str, Tensor]:
        """See IndexModel."""
        return {"codes": torch.bincount(indices.flatten(), minlength=self.config.codebook)}

    def codebooks(self) -> tuple[Codebook, ...]:
        """The one codebook."""
        return (self.codebook,)

    @torch.no_grad()
    def seed_codebooks(self, x: Tensor, generator: torch.Generator) -> None:
        """See IndexModel."""
        if not bool(self.codebook.started):
            self.codebook.seed(self.encoder(x), generator)
