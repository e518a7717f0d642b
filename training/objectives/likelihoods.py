"""Likelihoods and divergences as pure functions: tensors in, nats per image out.

Sums run over all values of an image and over all latent dimensions, never means: with means the
balance of distortion and rate would depend on the size of the image (Rybkin et al. 2021).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def squared_error(x: Tensor, x_hat: Tensor) -> Tensor:
    """Sum of squared errors of each image, [B]."""
    return ((x - x_hat) ** 2).flatten(1).sum(1)


def bernoulli_nll(x: Tensor, x_hat: Tensor) -> Tensor:
    """-sum of x ln x_hat + (1 - x) ln(1 - x_hat) of each image in nats, [B]; both in [0, 1]."""
    losses = functional.binary_cross_entropy(x_hat.clamp(0, 1), x, reduction="none")
    return losses.flatten(1).sum(1)


def kl_per_latent(mu: Tensor, log_var: Tensor) -> Tensor:
    """KL(N(mu, exp(log_var)) || N(0, 1)) of each latent in nats (Kingma & Welling 2014, B)."""
    return 0.5 * (mu**2 + log_var.exp() - log_var - 1)


def kl_between(mu: Tensor, log_var: Tensor, mean: Tensor, log_spread: Tensor) -> Tensor:
    """KL(N(mu, exp(log_var)) || N(mean, exp(log_spread))) of each image in nats, [B]."""
    ratio = (log_var - log_spread).exp() + (mu - mean) ** 2 / log_spread.exp()
    return 0.5 * (ratio - 1 + log_spread - log_var).flatten(1).sum(1)


def gaussian_kl(mu: Tensor, log_var: Tensor) -> Tensor:
    """`kl_per_latent` summed over the latents of each image, [B]."""
    return kl_per_latent(mu, log_var).flatten(1).sum(1)


def gaussian_nll(sse: Tensor, variance: Tensor | float, values: int) -> Tensor:
    """-ln p(x) - (D/2) ln 2 pi of `values` = D pixels with noise `variance`, in nats, [B].

    (D/2) ln sigma^2 + SSE / (2 sigma^2).
    """
    variance = torch.as_tensor(variance, dtype=sse.dtype, device=sse.device)
    return 0.5 * values * variance.log() + sse / (2 * variance)


def gaussian_nll_map(x: Tensor, x_hat: Tensor, log_variance: Tensor) -> Tensor:
    """`gaussian_nll` with a variance for each channel or pixel; log_variance [C | 1, H | 1, W | 1].

    "Simple and effective VAE training with calibrated decoders", Rybkin et al. 2021, section 3.
    """
    terms = 0.5 * (log_variance + (x - x_hat) ** 2 / log_variance.exp())
    return terms.flatten(1).sum(1)


def optimal_variance(sse: Tensor, values: int, floor: float = 0.0) -> Tensor:
    """The variance that minimises the mean of `gaussian_nll` over the batch: its MSE.

    "Simple and effective VAE training with calibrated decoders", Rybkin et al. 2021, eq. 8. It is
    detached: by the envelope theorem the gradient of the minimum needs no gradient of sigma.
    """
    return sse.detach().mean() / values + floor


def coarsen(log_var: Tensor, log2_step_scale: Tensor) -> Tensor:
    """Log-variances [B, ...] of the posteriors for pixel noise that is s times larger.

    `log2_step_scale` is log2 s of each image, [B].

    s^2 v / (1 + (s^2 - 1) v): the precision that the pixels give, 1 / v - 1, falls by s^2, that of
    the prior stays. Exact for linear decoders (Tipping & Bishop 1999).
    """
    s2 = 4 ** log2_step_scale.reshape(-1, *([1] * (log_var.dim() - 1)))
    variance = log_var.clamp(max=0).exp()
    return torch.log(s2 * variance / (1 + (s2 - 1) * variance))


def reparameterise(mu: Tensor, log_var: Tensor, noise: Tensor) -> Tensor:
    """A sample of N(mu, exp(log_var)) from one of N(0, 1), through which gradients flow."""
    return mu + (0.5 * log_var).exp() * noise


def commitment(latent: Tensor, codes: Tensor) -> Tensor:
    """|z_e - sg[e]|^2 of each image, [B] (van den Oord et al. 2017, eq. 3, without its beta)."""
    return ((latent - codes.detach()) ** 2).flatten(1).sum(1)


def codebook(latent: Tensor, codes: Tensor) -> Tensor:
    """|sg[z_e] - e|^2 of each image, [B] (van den Oord et al. 2017, eq. 3)."""
    return commitment(codes, latent)
