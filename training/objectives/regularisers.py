"""Regularisers of latents: pure functions of posteriors and their samples, in nats.

Latents are [B, D] or [B, D, h, w]; in a map each position counts as separate latents.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor


def free_bits(kl: Tensor, free: float) -> Tensor:
    """sum_d max(free, mean KL_d), a scalar; `kl` is [B, D, ...], `free` in nats per latent.

    "Improved variational inference with inverse autoregressive flow", Kingma et al. 2016.
    """
    return kl.mean(0).clamp_min(free).sum()


def capacity(kl: Tensor, nats: float) -> Tensor:
    """|mean KL - C|, a scalar; `kl` [B].

    "Understanding disentangling in beta-VAE", Burgess et al. 2018, eq. 8.
    """
    return (kl.mean() - nats).abs()


def capacity_at(step: int, steps: int, final: float) -> float:
    """The capacity C in nats after `step` steps: it grows linearly to `final` within `steps`."""
    return final * min(1.0, step / steps) if steps else final


def mmd(z: Tensor, prior: Tensor) -> Tensor:
    """Squared maximum mean discrepancy of two samples [B, D] with a Gaussian kernel, in [0, 2].

    k(a, b) = exp(-|a - b|^2 / D^2): the kernel and the biased estimate of Zhao, Song & Ermon,
    "InfoVAE", 2017 (their code divides the mean square by D).
    """
    z, prior = z.flatten(1), prior.flatten(1)
    return (_kernel(z, z) + _kernel(prior, prior) - 2 * _kernel(z, prior)).clamp_min(0)


def _kernel(a: Tensor, b: Tensor) -> Tensor:
    squares = torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist") ** 2
    return torch.exp(-squares / a.shape[1] ** 2).mean()


def info(kl: Tensor, discrepancy: Tensor, alpha: float, weight: float) -> Tensor:
    """(1 - alpha) mean KL + (alpha + weight - 1) MMD, a scalar (InfoVAE, Zhao et al. 2017).

    alpha = 1 leaves weight * MMD, as in Wasserstein autoencoders (Tolstikhin et al. 2018).
    """
    return (1 - alpha) * kl.mean() + (alpha + weight - 1) * discrepancy


class KlParts(NamedTuple):
    """The three parts of the mean KL, scalars in nats (Chen et al. 2018, eq. 2)."""

    mutual_information: Tensor
    total_correlation: Tensor
    dimension_kl: Tensor


def kl_parts(z: Tensor, mu: Tensor, log_var: Tensor, images: int) -> KlParts:
    """Minibatch-weighted estimate of the parts; z, mu, log_var [B, D], `images` in the data set.

    "Isolating sources of disentanglement in VAEs", Chen et al. 2018, appendix C.1:
    ln q(z) ~ ln 1/(N B) sum_j q(z | x_j). It is biased: N shifts the parts by constants, which add
    up to 0 and have no gradient; `images` = 1 takes the batch for the whole aggregate.
    """
    z, mu, log_var = z.flatten(1), mu.flatten(1), log_var.flatten(1)
    pairs = log_normal(z[:, None], mu[None], log_var[None])
    scale = math.log(images * len(z))
    joint = pairs.sum(2).logsumexp(1) - scale
    product = (pairs.logsumexp(1) - scale).sum(1)
    conditional = log_normal(z, mu, log_var).sum(1)
    prior = log_normal(z, torch.zeros_like(z), torch.zeros_like(z)).sum(1)
    return KlParts((conditional - joint).mean(), (joint - product).mean(), (product - prior).mean())


def log_normal(z: Tensor, mu: Tensor, log_var: Tensor) -> Tensor:
    """ln N(z; mu, exp(log_var)), elementwise in nats."""
    return -0.5 * (math.log(2 * math.pi) + log_var + (z - mu) ** 2 / log_var.exp())


def beta_tc(parts: KlParts, weight: float) -> Tensor:
    """MI + weight * TC + dimension-wise KL, a scalar (beta-TCVAE, Chen et al. 2018, eq. 4)."""
    return parts.mutual_information + weight * parts.total_correlation + parts.dimension_kl


def dip(mu: Tensor, log_var: Tensor, diagonal: float, off_diagonal: float) -> Tensor:
    """Distance of the aggregate covariance from the identity, a scalar (DIP-VAE-II).

    Cov[z] = Cov[mu] + E[sigma^2]: "Variational inference of disentangled latent concepts from
    unlabeled observations", Kumar, Sattigeri & Balakrishnan 2018, eq. 7.
    """
    mu, log_var = mu.flatten(1), log_var.flatten(1)
    centred = mu - mu.mean(0)
    covariance = centred.T @ centred / len(mu) + torch.diag(log_var.exp().mean(0))
    variances = covariance.diagonal()
    rest = covariance - torch.diag(variances)
    return off_diagonal * (rest**2).sum() + diagonal * ((variances - 1) ** 2).sum()


def sparsity(z: Tensor) -> Tensor:
    """Mean over the batch of |z|_1, a scalar (sparse autoencoder)."""
    return z.flatten(1).abs().sum(1).mean()


def contraction(z: Tensor, x: Tensor, v: Tensor) -> Tensor:
    """Unbiased estimate of the mean |dz/dx|_F^2, a scalar; x must require gradients, v ~ N(0, I).

    The penalty of Rifai et al. 2011 by Hutchinson's estimator: E |v^T J|^2 = |J|_F^2, one
    backward pass instead of D.
    """
    (products,) = torch.autograd.grad(z, x, v, create_graph=True)
    return (products**2).flatten(1).sum(1).mean()


GECO_SPEED = 0.02
GECO_DECAY = 0.9
GECO_RANGE = (1e-3, 1e3)


def psnr_excess(mse: Tensor, target_psnr: float) -> Tensor:
    """mse / target - 1: above 0 where the reconstruction is worse than `target_psnr` in dB."""
    target: float = 10 ** (-target_psnr / 10)
    return mse / target - 1


def next_excess(average: float, excess: float) -> float:
    """Moving average of GECO's constraint, in [-1, 1], with that of one more step.

    No step counts more than 1: the errors of the first steps are many times the target, and an
    average of them would raise the multiplier long after the target is met.
    """
    return GECO_DECAY * average + (1 - GECO_DECAY) * min(1.0, excess)


def next_multiplier(multiplier: float, average: float) -> float:
    """Lagrange multiplier of GECO after one more step (Rezende & Viola 2018, algorithm 1).

    `average` is that of the constraint; positive: not yet met.
    """
    low, high = GECO_RANGE
    return max(low, min(high, multiplier * math.exp(GECO_SPEED * average)))
