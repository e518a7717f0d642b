"""Families with a latent map: fully convolutional, so that images of any size have a code.

Half of the work is done at a quarter of the resolution (PixelUnshuffle(4) is the first layer);
dilated blocks at the coarse end let a code see past a defect of 25 pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.config import ModelConfig
from training.models.latents import Posterior
from training.models.layers import LOG_VAR_RANGE, SLOPE, ResidualBlock, down, up

STEM = 4


def map_encoder(config: ModelConfig, outputs: int) -> nn.Sequential:
    """x [B, C, H, W] to [B, outputs, H/stride, W/stride]."""
    fine, coarse = config.widths
    layers: list[nn.Module] = [
        nn.PixelUnshuffle(STEM),
        nn.Conv2d(config.channels * STEM**2, fine, 3, padding=1),
        nn.LeakyReLU(SLOPE),
        ResidualBlock(fine),
        down(fine, coarse),
        ResidualBlock(coarse),
        ResidualBlock(coarse, dilation=2),
        ResidualBlock(coarse, dilation=4),
    ]
    if config.stride == 16:
        layers += [down(coarse, coarse), ResidualBlock(coarse), ResidualBlock(coarse)]
    return nn.Sequential(*layers, nn.Conv2d(coarse, outputs, 1))


def map_decoder(config: ModelConfig) -> nn.Sequential:
    """z [B, D, h, w] to the logits of x_hat [B, C, H, W]."""
    fine, coarse = config.widths
    layers: list[nn.Module] = [nn.Conv2d(config.latent, coarse, 3, padding=1)]
    if config.stride == 16:
        layers += [ResidualBlock(coarse), up(coarse, coarse)]
    layers += [
        ResidualBlock(coarse),
        ResidualBlock(coarse),
        up(coarse, fine),
        ResidualBlock(fine),
        nn.Conv2d(fine, config.channels * STEM**2, 3, padding=1),
        nn.PixelShuffle(STEM),
    ]
    return nn.Sequential(*layers)


class SigmaVaeMap(nn.Module):
    """Variational autoencoder whose latent is a map of Gaussians."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = map_encoder(config, 2 * config.latent)
        self.decoder = map_decoder(config)

    def encode(self, x: Tensor) -> Posterior:
        """x [B, C, H, W] in [0, 1], sides multiples of the stride, to [B, D, h, w]."""
        mu, log_var = self.encoder(x).chunk(2, dim=1)
        return Posterior(mu, log_var.clamp(*LOG_VAR_RANGE))

    def decode(self, z: Tensor) -> Tensor:
        """z [B, D, h, w] to x_hat [B, C, H, W] in [0, 1]."""
        return torch.sigmoid(self.decoder(z))
