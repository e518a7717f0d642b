"""The base class of networks whose latents are Gaussian."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from training.config.model import POINT_FAMILIES, ModelConfig
from training.data.image_files import Images
from training.models.latents import Posterior
from training.models.layers import append_rate_channel
from training.models.scan_order_prior import ScanOrderPrior


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
        """Set the weights that are computed from the training images before the first step."""
