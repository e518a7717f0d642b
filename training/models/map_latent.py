"""Families with a latent map: fully convolutional, so that images of any size have a code.

Half of the work is done at a quarter of the resolution (PixelUnshuffle(4) is the first layer);
dilated blocks at the coarse end let a code see past a defect of 25 pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.config.model import ModelConfig
from training.models.base import LOG_VAR_RANGE, SLOPE, GaussianModel, ResidualBlock, down, up
from training.models.latents import Posterior

STEM = 4


def width_at(config: ModelConfig, stride: int) -> int:
    """Channels of the features at a stride."""
    fine, coarse = config.widths
    return fine if stride == STEM else coarse


def down_layers(config: ModelConfig, first: int, last: int) -> list[nn.Module]:
    """Layers from features at stride `first` (1: the image) to those at stride `last`."""
    fine, coarse = config.widths
    layers: list[nn.Module] = []
    if first < STEM <= last:
        layers += [
            nn.PixelUnshuffle(STEM),
            nn.Conv2d(config.channels * STEM**2, fine, 3, padding=1),
            nn.LeakyReLU(SLOPE),
            ResidualBlock(fine),
        ]
    if first < 8 <= last:
        layers += [
            down(fine, coarse),
            ResidualBlock(coarse),
            ResidualBlock(coarse, dilation=2),
            ResidualBlock(coarse, dilation=4),
        ]
    if first < 16 <= last:
        layers += [down(coarse, coarse), ResidualBlock(coarse), ResidualBlock(coarse)]
    return layers


def up_layers(config: ModelConfig, first: int, last: int) -> list[nn.Module]:
    """Layers from features at stride `first` to those at stride `last` (1: the image's logits)."""
    fine, coarse = config.widths
    layers: list[nn.Module] = []
    if last < 16 <= first:
        layers += [ResidualBlock(coarse), up(coarse, coarse)]
    if last < 8 <= first:
        layers += [ResidualBlock(coarse), ResidualBlock(coarse), up(coarse, fine)]
    if last < STEM <= first:
        layers += [
            ResidualBlock(fine),
            nn.Conv2d(fine, config.channels * STEM**2, 3, padding=1),
            nn.PixelShuffle(STEM),
        ]
    return layers


def map_encoder(config: ModelConfig, outputs: int) -> nn.Sequential:
    """x [B, C, H, W] to [B, outputs, H/stride, W/stride]."""
    head = width_at(config, config.stride)
    return nn.Sequential(*down_layers(config, 1, config.stride), nn.Conv2d(head, outputs, 1))


def map_decoder(config: ModelConfig, inputs: int) -> nn.Sequential:
    """z [B, inputs, h, w] to the logits of x_hat [B, C, H, W]."""
    input_layer = nn.Conv2d(inputs, width_at(config, config.stride), 3, padding=1)
    return nn.Sequential(input_layer, *up_layers(config, config.stride, 1))


class SigmaVaeMap(GaussianModel):
    """Variational autoencoder whose latent is a map of Gaussians."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.encoder = map_encoder(config, 2 * config.latent)
        self.decoder = map_decoder(config, config.latent + config.rate_aware)

    def encode(self, x: Tensor) -> Posterior:
        """x [B, C, H, W] in [0, 1], sides multiples of the stride, to [B, D, h, w]."""
        mu, log_var = self.encoder(x).chunk(2, dim=1)
        return Posterior(mu, log_var.clamp(*LOG_VAR_RANGE))

    def decode_latent(self, latent: Tensor) -> Tensor:
        """[B, D, h, w], with the rate channel if rate-aware, to x_hat [B, C, H, W] in [0, 1]."""
        return torch.sigmoid(self.decoder(latent))
