"""A VAE without any nonlinearity: it learns probabilistic PCA, so its optimum is known exactly."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.config.model import ModelConfig
from training.data.image_files import Images
from training.models.base import LOG_VAR_RANGE, GaussianModel
from training.models.latents import Posterior
from training.models.pca import mean_image

FIRST_LOG_VAR = -1.0


class LinearVae(GaussianModel):
    """mu = W (x - b) with a variance per latent, x_hat = V z + b.

    "Don't blame the ELBO!", Lucas et al. 2019. One b serves both sides and starts as the mean of
    the training images: else a latent may be spent on it. V starts with columns of length about 1.
    """

    encoder: LinearEncoder
    decoder: nn.Linear

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        values = config.channels * config.height * config.width
        self.encoder = LinearEncoder(values, config.latent)
        self.decoder = nn.Linear(config.latent, values)
        nn.init.normal_(self.decoder.weight, std=values**-0.5)

    def encode(self, x: Tensor) -> Posterior:
        """x [B, C, H, W] in [0, 1] to a posterior of [B, D]."""
        mu, log_var = self.encoder(x.flatten(1) - self.decoder.bias)
        return Posterior(mu, log_var.clamp(*LOG_VAR_RANGE))

    def decode_latent(self, latent: Tensor) -> Tensor:
        """[B, D] to x_hat [B, C, H, W], clipped to [0, 1] outside training."""
        shape = self.config.channels, self.config.height, self.config.width
        x_hat: Tensor = self.decoder(latent).reshape(-1, *shape)
        return x_hat if self.training else x_hat.clamp(0, 1)

    @torch.no_grad()
    def init_from_images(self, images: Images) -> None:
        """Sets b to the mean of the training images."""
        self.decoder.bias.copy_(torch.from_numpy(mean_image(images)))


class LinearEncoder(nn.Module):
    """Centred values [B, P] to mu and log_var [B, D]; all images have one posterior variance.

    So they have at the optimum: sigma^2 / lambda_d.
    """

    def __init__(self, values: int, latent: int) -> None:
        super().__init__()
        self.mean = nn.Linear(values, latent, bias=False)
        self.log_var = nn.Parameter(torch.full((latent,), FIRST_LOG_VAR))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mu = self.mean(x)
        return mu, self.log_var.expand_as(mu)
