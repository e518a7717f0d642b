"""PCA with a convolutional correction on either side: the best linear code, then improved.

    mu    = P (x - m) + f(x)             f sees what the projection loses
    x_hat = y + g(y),  y = m + Q z       g restores detail, as super-resolution does

P and Q are the (whitened) principal components of the training images and stay as they are; f and
g begin at zero, so a run starts as PCA and only gets better. Both corrections work on a coarse
grid (PixelUnshuffle), where a convolution is cheap.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from codec.arrays import F64
from training.config.model import ModelConfig
from training.data.image_files import Images
from training.models.base import LOG_VAR_RANGE, SLOPE, GaussianModel, ResidualBlock, zero_init
from training.models.latents import Posterior
from training.models.pca import Pca, fit_pca


class PcaVae(GaussianModel):
    """Variational autoencoder that begins as probabilistic PCA; `start` gives it the components."""

    encoder: PcaEncoder
    decoder: PcaDecoder

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.encoder = PcaEncoder(config)
        self.decoder = PcaDecoder(config)

    def encode(self, x: Tensor) -> Posterior:
        """x [B, C, H, W] in [0, 1] to a posterior of [B, D]."""
        mu, log_var = self.encoder(x).chunk(2, dim=1)
        return Posterior(mu, log_var.clamp(*LOG_VAR_RANGE))

    def decode_latent(self, latent: Tensor) -> Tensor:
        """[B, D], with the rate channel if rate-aware, to x_hat, clipped outside training."""
        x_hat: Tensor = self.decoder(latent)
        return x_hat if self.training else x_hat.clamp(0, 1)

    def init_from_images(self, images: Images) -> None:
        """Becomes the PCA of the training images."""
        self.set_components(fit_pca(images, self.config.latent))

    @torch.no_grad()
    def set_components(self, pca: Pca) -> None:
        """Becomes the PCA of the training images.

        Codes are whitened and their posterior variance is that of probabilistic PCA for small
        noise, sigma^2 / lambda_d (Tipping & Bishop 1999). Directions in which the images do not
        vary get a code of their own noise.
        """
        variances = np.maximum(pca.variances, LEAST_VARIANCE)
        scale = np.sqrt(variances)[:, None]
        analysis = pca.components / scale
        log_var = np.log(max(pca.residual, LEAST_VARIANCE) / variances)
        latent, values = analysis.shape
        both = np.concatenate([analysis, np.zeros((latent, values))])
        offset = np.concatenate([-analysis @ pca.mean, log_var])
        _fill(self.encoder.linear, both, offset)
        _fill(self.decoder.linear, (pca.components * scale).T, pca.mean)


# The variance of rounding to 8 bits, a lower limit for components and noise of images.
LEAST_VARIANCE = 1 / (12 * 255**2)


class PcaEncoder(nn.Module):
    """x [B, C, H, W] in [0, 1] to mu and log_var, joined as [B, 2 D]."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        grid = config.height // config.stride * (config.width // config.stride)
        self.linear = _fixed(_values(config), 2 * config.latent)
        self.unshuffle = nn.PixelUnshuffle(config.stride)
        self.trunk = _trunk(config)
        self.head = zero_init(nn.Linear(grid * config.widths[0], 2 * config.latent))

    def forward(self, x: Tensor) -> Tensor:
        correction = self.head(self.trunk(self.unshuffle(x - 0.5)).flatten(1))
        joined: Tensor = self.linear(x.flatten(1)) + correction
        return joined


class PcaDecoder(nn.Module):
    """z [B, D] to x_hat [B, C, H, W]."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.shape = (config.channels, config.height, config.width)
        self.linear = _fixed(config.latent, _values(config))
        self.unshuffle = nn.PixelUnshuffle(config.stride)
        self.trunk = _trunk(config, config.rate_aware)
        outputs = config.channels * config.stride**2
        last = zero_init(nn.Conv2d(config.widths[0], outputs, 3, padding=1))
        self.out = nn.Sequential(last, nn.PixelShuffle(config.stride))

    def forward(self, latent: Tensor) -> Tensor:
        z, rate = latent[:, : self.linear.in_features], latent[:, self.linear.in_features :]
        linear = self.linear(z).reshape(-1, *self.shape)
        coarse = self.unshuffle(linear - 0.5)
        planes = rate[:, :, None, None].expand(-1, -1, *coarse.shape[2:])
        x_hat: Tensor = linear + self.out(self.trunk(torch.cat([coarse, planes], dim=1)))
        return x_hat


def _trunk(config: ModelConfig, planes: int = 0) -> nn.Sequential:
    """Unshuffled images and more planes [B, C stride^2 + planes, h, w] to [B, width, h, w]."""
    width = config.widths[0]
    return nn.Sequential(
        nn.Conv2d(config.channels * config.stride**2 + planes, width, 3, padding=1),
        nn.LeakyReLU(SLOPE),
        *(ResidualBlock(width) for _ in range(config.depth)),
    )


def _values(config: ModelConfig) -> int:
    return config.channels * config.height * config.width


def _fixed(inputs: int, outputs: int) -> nn.Linear:
    """A matrix that is set once and never trained."""
    return nn.Linear(inputs, outputs).requires_grad_(False)


def _fill(layer: nn.Linear, weight: F64, bias: F64) -> None:
    layer.weight.copy_(torch.from_numpy(np.ascontiguousarray(weight)))
    layer.bias.copy_(torch.from_numpy(bias))
