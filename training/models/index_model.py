"""The base class of networks whose latents are indices."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from training.config.model import ModelConfig
from training.data.image_files import Images
from training.models.codebook import Codebook
from training.models.latents import Quantised

# Bottom codes per top code in models with two levels.
CELL = 4


class IndexModel(nn.Module, ABC):
    """An autoencoder with G symbols out of an alphabet of K at each position of a map.

    The first training step calls `seed_codebooks`; each step calls `encode`, `decode` and `update`.
    """

    config: ModelConfig
    encoder: nn.Module
    decoder: nn.Module

    @abstractmethod
    def encode(self, x: Tensor) -> Quantised:
        """x [B, C, H, W] in [0, 1], sides multiples of the stride, to codes [B, G, h, w]."""

    @abstractmethod
    def decode_indices(self, indices: Tensor) -> Tensor:
        """Indices int64 [B, G, h, w] to x_hat [B, C, H, W] in [0, 1]."""

    @abstractmethod
    def tally(self, indices: Tensor) -> Mapping[str, Tensor]:
        """The number of uses of each code in indices [B, G, h, w]: int64 [K] by codebook name."""

    def decode(self, z: Tensor) -> Tensor:
        """z [B, D, h, w], as `encode` gives it, to x_hat [B, C, H, W] in [0, 1]."""
        return torch.sigmoid(self.decoder(z))

    def reconstruct(self, x: Tensor) -> Tensor:
        """Images [B, C, H, W] in [0, 1] through their codes."""
        return self.decode_indices(self.encode(x).indices)

    def codebooks(self) -> tuple[Codebook, ...]:
        """The codebooks in the order of `Quantised.levels`."""
        return ()

    def seed_codebooks(self, x: Tensor, generator: torch.Generator) -> None:
        """Seed the codebooks from a first batch x [B, C, H, W]; nothing if that is done."""

    def update(self, quantised: Quantised, decay: float, generator: torch.Generator) -> None:
        """Update the codebooks from a batch, without gradients."""
        for book, codes in zip(self.codebooks(), quantised.levels, strict=True):
            book.update(codes, decay, generator)

    def init_from_images(self, images: Images) -> None:
        """Nothing: codebooks are seeded from the first batch."""

    def learn_codes(self) -> None:
        """Train the codes by a loss instead of a moving average."""
        for book in self.codebooks():
            book.learn_by_loss()


def symbols(config: ModelConfig) -> tuple[int, int]:
    """G and K: symbols per position, and the size of the alphabet that they share."""
    if config.family == "fsq":
        return len(config.levels), max(config.levels)
    return CELL + 1 if config.family == "vq_vae_2" else 1, config.codebook
