"""Vector-quantised autoencoders with one and two levels of codes, on the trunk of the map families.

VQ-VAE (van den Oord et al. 2017) has a map of indices into one codebook.

In VQ-VAE-2 (Razavi et al. 2019, arXiv:1906.00446) the top codes, at the stride of the model, say
what is seen; the bottom codes, at half of it, add the detail. The top codes are decoded first and
help to choose the bottom codes, and both go to the decoder. Both levels form one map at the stride
of the top: the top code, then the 2x2 bottom codes below it in reading order.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from training.config.model import ModelConfig
from training.models.base import CELL, IndexModel
from training.models.codebook import Codebook
from training.models.latents import Quantised, straight_through
from training.models.map_latent import (
    down_layers,
    map_decoder,
    map_encoder,
    up_layers,
    width_at,
)


class VqVae(IndexModel):
    """Autoencoder whose latent is a map of indices into a codebook: G = 1."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = map_encoder(config, config.latent)
        self.codebook = Codebook(config.codebook, config.latent, unit=config.unit_codes)
        self.decoder = map_decoder(config, config.latent)

    def encode(self, x: Tensor) -> Quantised:
        """x to codes [B, 1, h, w]; `distance` is the squared distance to the chosen code."""
        codes = self.codebook.quantise(self.encoder(x))
        z = straight_through(codes.latent, codes.codes)
        return Quantised(z, codes.indices[:, None], codes.distance[:, None], (codes,))

    def decode_indices(self, indices: Tensor) -> Tensor:
        """Indices int64 [B, G, h, w] to x_hat [B, C, H, W] in [0, 1]."""
        return self.decode(self.codebook.look_up(indices[:, 0]))

    def tally(self, indices: Tensor) -> Mapping[str, Tensor]:
        """The number of uses of each code, int64 [K], by the name of its codebook."""
        return {"codes": torch.bincount(indices.flatten(), minlength=self.config.codebook)}

    def codebooks(self) -> tuple[Codebook, ...]:
        """The one codebook."""
        return (self.codebook,)

    @torch.no_grad()
    def seed_codebooks(self, x: Tensor, generator: torch.Generator) -> None:
        """Seeds the codebook from a first batch; nothing if that is done."""
        if not bool(self.codebook.started):
            self.codebook.seed(self.encoder(x), generator)


class TwoLevelEncoder(nn.Module):
    """Everything before quantisation; `bottom` needs what the top codes were decoded to."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        coarse, fine = config.stride, config.stride // 2
        wide, narrow = width_at(config, coarse), width_at(config, fine)
        self.fine = nn.Sequential(*down_layers(config, 1, fine))
        self.coarse = nn.Sequential(*down_layers(config, fine, coarse))
        self.to_top = nn.Conv2d(wide, config.latent, 1)
        self.from_top = nn.Sequential(
            nn.Conv2d(config.latent, wide, 3, padding=1), *up_layers(config, coarse, fine)
        )
        self.to_bottom = nn.Conv2d(2 * narrow, config.latent, 1)

    def top(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, C, H, W] to fine features [B, F, 2h, 2w] and the top latent [B, D, h, w]."""
        features = self.fine(x)
        return features, self.to_top(self.coarse(features))

    def bottom(self, features: Tensor, top: Tensor) -> Tensor:
        """Fine features and quantised top latent to the bottom latent [B, D, 2h, 2w]."""
        latent: Tensor = self.to_bottom(torch.cat([features, self.from_top(top)], dim=1))
        return latent


class TwoLevelDecoder(nn.Module):
    """Both codes, [B, (1 + 4) D, h, w], to the logits of x_hat [B, C, H, W]."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        coarse, fine = config.stride, config.stride // 2
        wide, narrow = width_at(config, coarse), width_at(config, fine)
        self.dims = config.latent
        self.grow = nn.Sequential(
            nn.Conv2d(config.latent, wide, 3, padding=1), *up_layers(config, coarse, fine)
        )
        self.join = nn.Conv2d(narrow + config.latent, narrow, 3, padding=1)
        self.rest = nn.Sequential(*up_layers(config, fine, 1))

    def forward(self, z: Tensor) -> Tensor:
        top, below = z[:, : self.dims], z[:, self.dims :]
        joined = self.join(torch.cat([self.grow(top), pixels(below)], dim=1))
        logits: Tensor = self.rest(joined)
        return logits


class VqVae2(IndexModel):
    """Autoencoder with a codebook for the top and one for the bottom level: G = 5."""

    encoder: TwoLevelEncoder

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = TwoLevelEncoder(config)
        self.top = Codebook(config.codebook, config.latent, unit=config.unit_codes)
        self.bottom = Codebook(config.codebook, config.latent, unit=config.unit_codes)
        self.decoder = TwoLevelDecoder(config)

    def encode(self, x: Tensor) -> Quantised:
        """x to codes [B, 5, h, w]; `distance` is the squared distance to the chosen codes."""
        features, latent = self.encoder.top(x)
        top = self.top.quantise(latent)
        z_top = straight_through(top.latent, top.codes)
        bottom = self.bottom.quantise(self.encoder.bottom(features, z_top))
        z_bottom = straight_through(bottom.latent, bottom.codes)
        return Quantised(
            torch.cat([z_top, cells(z_bottom)], dim=1),
            torch.cat([top.indices[:, None], cells(bottom.indices[:, None])], dim=1),
            torch.cat([top.distance[:, None], cells(bottom.distance[:, None])], dim=1),
            (top, bottom),
        )

    def decode_indices(self, indices: Tensor) -> Tensor:
        """Indices int64 [B, G, h, w] to x_hat [B, C, H, W] in [0, 1]."""
        below = pixels(indices[:, 1:])[:, 0]
        z = [self.top.look_up(indices[:, 0]), cells(self.bottom.look_up(below))]
        return self.decode(torch.cat(z, dim=1))

    def tally(self, indices: Tensor) -> Mapping[str, Tensor]:
        """The number of uses of each code, int64 [K], by the name of its codebook."""
        parts = {"top": indices[:, :1], "bottom": indices[:, 1:]}
        size = self.config.codebook
        return {name: torch.bincount(i.flatten(), minlength=size) for name, i in parts.items()}

    def codebooks(self) -> tuple[Codebook, ...]:
        """Top and bottom."""
        return self.top, self.bottom

    @torch.no_grad()
    def seed_codebooks(self, x: Tensor, generator: torch.Generator) -> None:
        """Seeds the top codebook, then the bottom one, whose latents need top codes."""
        if bool(self.bottom.started):
            return
        features, latent = self.encoder.top(x)
        self.top.seed(latent, generator)
        top = self.top.quantise(latent)
        self.bottom.seed(self.encoder.bottom(features, top.codes), generator)


def cells(fine: Tensor) -> Tensor:
    """[B, D, 2h, 2w] to [B, 4 D, h, w]: PixelUnshuffle(2), of any type of number."""
    batch, dims, height, width = fine.shape
    split = fine.reshape(batch, dims, height // 2, 2, width // 2, 2)
    return split.permute(0, 1, 3, 5, 2, 4).reshape(batch, CELL * dims, height // 2, width // 2)


def pixels(coarse: Tensor) -> Tensor:
    """Undoes `cells`: [B, 4 D, h, w] to [B, D, 2h, 2w]."""
    batch, dims, height, width = coarse.shape
    split = coarse.reshape(batch, dims // CELL, 2, 2, height, width)
    return split.permute(0, 1, 4, 2, 5, 3).reshape(batch, dims // CELL, 2 * height, 2 * width)
