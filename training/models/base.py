"""The base classes of all networks, and the layers that families share.

Sizes grow by a convolution and a PixelShuffle, never by a transposed convolution, which is 1.6
times slower on a CPU; they shrink by a PixelUnshuffle and a 1x1 convolution for the same reason.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.config.model import POINT_FAMILIES, ModelConfig
from training.data.image_files import Images
from training.models.codebook import Codebook
from training.models.latents import Posterior, Quantised
from training.models.scan_order_prior import ScanOrderPrior

SLOPE = 0.1
LOG_VAR_RANGE = (-14.0, 4.0)
# Bottom codes per top code in models with two levels.
CELL = 4


class GaussianModel(nn.Module, ABC):
    """An autoencoder whose latents are a vector [B, D] or a map [B, D, h, w] of Gaussians.

    `point` is True if codes have no posterior noise. `prior` is the network that predicts latents
    from their neighbours, or None if the prior is N(0, 1).
    """

    encoder: nn.Module
    decoder: nn.Module

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.point = config.family in POINT_FAMILIES
        self.prior: ScanOrderPrior | None = None

    @abstractmethod
    def encode(self, x: Tensor) -> Posterior:
        """x [B, C, H, W] in [0, 1] to the posterior of [B, D] or [B, D, h, w]."""

    @abstractmethod
    def decode_latent(self, latent: Tensor) -> Tensor:
        """Latents, with the rate channel if the network is rate-aware, to x_hat [B, C, H, W]."""

    def decode(self, z: Tensor, log2_step_scale: Tensor | None = None) -> Tensor:
        """z [B, D, ...] to x_hat [B, C, H, W].

        `log2_step_scale` [B] is log2 of the step multiplier of each image, 0 by default. Networks
        that are not rate-aware ignore it.
        """
        if self.config.rate_aware:
            z = append_rate_channel(z, log2_step_scale)
        return self.decode_latent(z)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Images [B, C, H, W] in [0, 1] through their posterior means."""
        return self.decode(self.encode(x).mu)

    def predict_latents(self, z: Tensor, log2_step_scale: Tensor | None = None) -> Posterior | None:
        """The prior of each latent given the latents before it; None if it is N(0, 1)."""
        if self.prior is None:
            return None
        prediction: Posterior = self.prior(z, log2_step_scale)
        return prediction

    def init_from_images(self, images: Images) -> None:
        """Sets the weights that are computed from the training images before the first step."""


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
        """Seeds the codebooks from a first batch x [B, C, H, W]; nothing if that is done."""

    def update(self, quantised: Quantised, decay: float, generator: torch.Generator) -> None:
        """Updates the codebooks from a batch, without gradients."""
        for book, codes in zip(self.codebooks(), quantised.levels, strict=True):
            book.update(codes, decay, generator)

    def init_from_images(self, images: Images) -> None:
        """Nothing: codebooks are seeded from the first batch."""

    def learn_codes(self) -> None:
        """Trains the codes by a loss instead of a moving average."""
        for book in self.codebooks():
            book.learn_by_loss()


def symbols(config: ModelConfig) -> tuple[int, int]:
    """G and K: symbols per position, and the size of the alphabet that they share."""
    if config.family == "fsq":
        return len(config.levels), max(config.levels)
    return CELL + 1 if config.family == "vq_vae_2" else 1, config.codebook


def append_rate_channel(z: Tensor, log2_step_scale: Tensor | None) -> Tensor:
    """Appends log2 of the step multiplier of each image [B] to z: [B, D, ...] to [B, D + 1, ...].

    The default multiplier is 1.
    """
    plane = z.new_zeros(len(z)) if log2_step_scale is None else log2_step_scale.to(z.dtype)
    plane = plane.reshape(-1, *([1] * (z.dim() - 1))).expand(-1, 1, *z.shape[2:])
    return torch.cat([z, plane], dim=1)


def zero_init(layer: nn.Module) -> nn.Module:
    """The layer with all its parameters set to 0, so that its output starts at 0."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions added to their input; the identity at the start of training."""

    def __init__(self, width: int, dilation: int = 1) -> None:
        super().__init__()
        last = nn.BatchNorm2d(width)
        nn.init.zeros_(last.weight)
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation, bias=False),
            nn.BatchNorm2d(width),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            last,
        )

    def forward(self, x: Tensor) -> Tensor:
        """[B, width, h, w] to the same shape."""
        return functional.leaky_relu(x + self.body(x), SLOPE)


def down(inputs: int, outputs: int, kernel: int = 1) -> nn.Sequential:
    """[B, inputs, h, w] to [B, outputs, h/2, w/2]."""
    return nn.Sequential(
        nn.PixelUnshuffle(2),
        nn.Conv2d(4 * inputs, outputs, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(SLOPE),
    )


def up(inputs: int, outputs: int) -> nn.Sequential:
    """[B, inputs, h, w] to [B, outputs, 2h, 2w]."""
    return nn.Sequential(
        nn.Conv2d(inputs, 4 * outputs, 3, padding=1), nn.PixelShuffle(2), nn.LeakyReLU(SLOPE)
    )
