"""pca_vae for images of any size: the principal components of blocks, corrected by convolutions.

    mu    = P (blocks of x - m) + f(x)       f sees beyond its block
    x_hat = y + g(y),  y = m + Q z           g removes the edges of blocks and restores detail

The components of square blocks, one latent position each, are what a block transform codec would
use (a KLT, near to the DCT of JPEG). They stay as they are; f and g begin at zero.

Latents of photographs are not standard Gaussians: their spread changes from place to place. So the
prior looks at neighbours, as the entropy coder does (scan_order_prior). Only training uses it.
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
from training.models.pca_vae import LEAST_VARIANCE
from training.models.scan_order_prior import ScanOrderPrior

# Pixels per position of the decoder's convolutions.
FINE = 4
# Most blocks that components are fitted to.
BLOCKS = 2**18


class PcaVaeMap(GaussianModel):
    """Variational autoencoder that begins as a block transform; `start` gives it the components."""

    encoder: BlockEncoder
    decoder: BlockDecoder

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.encoder = BlockEncoder(config)
        self.decoder = BlockDecoder(config)
        self.prior = ScanOrderPrior(config.latent)

    def encode(self, x: Tensor) -> Posterior:
        """x [B, C, H, W] in [0, 1], sides multiples of the stride, to [B, D, h, w]."""
        mu, log_var = self.encoder(x).chunk(2, dim=1)
        return Posterior(mu, log_var.clamp(*LOG_VAR_RANGE))

    def decode_latent(self, latent: Tensor) -> Tensor:
        """[B, D, h, w], with the rate channel if rate-aware, to x_hat, clipped outside training."""
        x_hat: Tensor = self.decoder(latent)
        return x_hat if self.training else x_hat.clamp(0, 1)

    def init_from_images(self, images: Images) -> None:
        """Becomes the PCA of the blocks of the training images."""
        parts = blocks(images, self.config.stride)
        self.set_components(fit_pca(parts, self.config.latent))

    @torch.no_grad()
    def set_components(self, pca: Pca) -> None:
        """Becomes the transform of blocks; codes are whitened as those of `PcaVae` are.

        The weakest component sets the noise of all at first.
        """
        variances = np.maximum(pca.variances, LEAST_VARIANCE)
        scale = np.sqrt(variances)[:, None]
        analysis = pca.components / scale
        log_var = np.log(np.minimum(variances[-1] / variances, 0.5))
        _fill(
            self.encoder.linear,
            np.concatenate([analysis, np.zeros_like(analysis)]),
            np.concatenate([-analysis @ pca.mean, log_var]),
        )
        _fill(self.decoder.linear, (pca.components * scale).T, pca.mean)


class BlockEncoder(nn.Module):
    """x [B, C, H, W] in [0, 1] to mu and log_var, joined as [B, 2 D, h, w]."""

    linear: nn.Conv2d

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        values, width = config.channels * config.stride**2, config.widths[1]
        self.unshuffle = nn.PixelUnshuffle(config.stride)
        self.linear = nn.Conv2d(values, 2 * config.latent, 1).requires_grad_(False)
        self.trunk = nn.Sequential(
            nn.Conv2d(values, width, 3, padding=1),
            nn.LeakyReLU(SLOPE),
            *(ResidualBlock(width) for _ in range(config.depth)),
            zero_init(nn.Conv2d(width, 2 * config.latent, 1)),
        )

    def forward(self, x: Tensor) -> Tensor:
        blocks = self.unshuffle(x)
        joined: Tensor = self.linear(blocks) + self.trunk(blocks - 0.5)
        return joined


class BlockDecoder(nn.Module):
    """z [B, D, h, w] and perhaps the rate channel to x_hat [B, C, H, W]."""

    linear: nn.Conv2d

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        values, width = config.channels * config.stride**2, config.widths[0]
        fine = config.channels * FINE**2
        self.latent = config.latent
        self.linear = nn.Conv2d(config.latent, values, 1).requires_grad_(False)
        self.shuffle = nn.PixelShuffle(config.stride)
        self.unshuffle = nn.PixelUnshuffle(FINE)
        self.trunk = nn.Sequential(
            nn.Conv2d(fine + config.rate_aware, width, 3, padding=1),
            nn.LeakyReLU(SLOPE),
            *(ResidualBlock(width) for _ in range(config.depth)),
            zero_init(nn.Conv2d(width, fine, 3, padding=1)),
            nn.PixelShuffle(FINE),
        )

    def forward(self, latent: Tensor) -> Tensor:
        linear = self.shuffle(self.linear(latent[:, : self.latent]))
        coarse = self.unshuffle(linear - 0.5)
        rate = latent[:, self.latent :, :1, :1].expand(-1, -1, *coarse.shape[2:])
        x_hat: Tensor = linear + self.trunk(torch.cat([coarse, rate], dim=1))
        return x_hat


def blocks(images: Images, side: int) -> np.ndarray:
    """Square blocks of uint8 images [N, C, H, W]: [n, C, side, side], evenly spread over them."""
    parts = []
    for image in images:
        channels, height, width = image.shape
        rows, columns = height // side, width // side
        whole = image[:, : rows * side, : columns * side]
        cut = whole.reshape(channels, rows, side, columns, side).transpose(1, 3, 0, 2, 4)
        every = max(1, len(images) * rows * columns // BLOCKS)
        parts.append(cut.reshape(-1, channels, side, side)[::every])
    return np.concatenate(parts)


def _fill(layer: nn.Conv2d, weight: F64, bias: F64) -> None:
    layer.load_state_dict(
        {
            "weight": torch.from_numpy(np.ascontiguousarray(weight))[..., None, None],
            "bias": torch.from_numpy(bias),
        }
    )
