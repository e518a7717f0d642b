"""Metrics of latents and the totals of the ResLag report: pure functions."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from codec.images import comparison

# Variance of a posterior mean over the data from which a latent counts as active.
ACTIVE = 0.01
# Epsilon and delta: a latent is collapsed if its KL is lower in all but this part of the images.
COLLAPSED_NATS, COLLAPSED_PART = 0.01, 0.01
# Weight of the MMD in the ResLag report.
MMD_WEIGHT = 500.0
# Most densities in memory at a time.
PAIRS = 2**22


def psnr(mse: float) -> float:
    """Peak signal-to-noise ratio, dB, of a mean squared error of pixels in [0, 1]; at most 120."""
    return comparison.psnr(max(mse, 1e-12))


def bits(nats: float) -> float:
    """Converts nats to bits."""
    return nats / math.log(2)


def active_units(mu: Tensor) -> Tensor:
    """Which latents vary with the image: mu [N, D] or [N, D, h, w] to bool [D].

    Var_x(E[z_d | x]) > 0.01 (Burda, Grosse & Salakhutdinov 2016); a map pools its positions.
    """
    per_dim = mu.transpose(0, 1).flatten(1)
    return per_dim.var(dim=1, unbiased=False) > ACTIVE


def code_usage(counts: Tensor) -> float:
    """Part of the codebook used at all; counts [K]."""
    return float((counts > 0).double().mean())


def perplexity(counts: Tensor) -> float:
    """exp of the entropy of the code frequencies: how many codes are used evenly; counts [K]."""
    p = counts.double() / counts.sum().clamp_min(1)
    return float(torch.exp(-torch.special.xlogy(p, p).sum()))


def code_bits(counts: Tensor) -> float:
    """Bits that all counted codes cost under their own frequencies; counts [K]."""
    return float(counts.sum()) * bits(math.log(perplexity(counts)))


@torch.no_grad()
def mutual_information(mu: Tensor, log_var: Tensor, generator: torch.Generator) -> float:
    """I_q(x; z) of N images in nats, at most ln N; posteriors mu, log_var [N, D].

    E KL(q(z|x) || p) - KL(q(z) || p) = E ln q(z|x) - ln q(z), He et al. 2019 (arXiv:1901.05534),
    section 4, with one sample per image and q(z) = 1/N sum_n q(z|x_n) over all N of them.
    """
    mu, log_var = mu.double(), log_var.double()
    noise = torch.empty_like(mu).normal_(generator=generator)
    z = mu + (0.5 * log_var).exp() * noise
    own = -0.5 * (noise**2 + log_var).sum(1)
    rows = max(1, PAIRS // len(z))
    parts = (z[first : first + rows] for first in range(0, len(z), rows))
    marginal = [log_densities(part, mu, log_var).logsumexp(1) for part in parts]
    return float((own - torch.cat(marginal)).mean()) + math.log(len(z))


def log_densities(z: Tensor, mu: Tensor, log_var: Tensor) -> Tensor:
    """ln N(z_m; mu_n, exp(log_var_n)) + (D/2) ln 2 pi, [M, N], of points [M, D]; in double.

    The squares are multiplied out: a matrix product instead of M N D differences.
    """
    precision = (-log_var).exp()
    of_posterior = (mu**2 * precision + log_var).sum(1)
    return -0.5 * (z**2 @ precision.T - 2 * (z @ (mu * precision).T) + of_posterior)


def collapsed_units(
    kl: Tensor, epsilon: float = COLLAPSED_NATS, delta: float = COLLAPSED_PART
) -> Tensor:
    """Which latents carry no information: KL [N, D] or [N, D, h, w] in nats to bool [D].

    P_x(KL_d < epsilon) >= 1 - delta ("Don't blame the ELBO!", Lucas et al. 2019, definition 1);
    a map pools its positions.
    """
    per_dim = kl.transpose(0, 1).flatten(1)
    return (per_dim < epsilon).double().mean(1) >= 1 - delta


def elbo(distortion: float, rate: float, values: float) -> float:
    """Lower bound of ln p(x) in nats per image of D = `values` pixel values in [0, 1].

    -(distortion + (D/2) ln 2 pi + rate), where the distortion lacks the constant as everywhere
    here (`objectives.gaussian_nll`).
    """
    return -(distortion + 0.5 * values * math.log(2 * math.pi) + rate)


def bits_per_dimension(nll: float, values: float) -> float:
    """Bits for each of D 8-bit values whose density over [0, 1] costs `nll` nats per image.

    (nll / D + ln 256) / ln 2: a value is one of 256 bins of width 1/256 (Theis et al. 2016, 3.1).
    """
    return bits(nll / values + math.log(256))


def beta_total(rec: float, lat: float, beta: float) -> float:
    """Total of the ResLag report's autoencoders and beta-VAEs: Rec + beta Lat.

    In its Table 1 Rec is the sum of squared errors of an image, without 1/2. Lat is the KL, nats.
    """
    return rec + beta * lat


def mmd_total(rec: float, mmd: float, weight: float = MMD_WEIGHT) -> float:
    """Total of the ResLag report's MMD rows: Rec + 500 MMD."""
    return rec + weight * mmd


def sigma_total(rec: float, lat: float, variance: float, values: float) -> float:
    """Total of the ResLag report's sigma rows in nats: (D/2) ln s + Rec / (2 s) + Lat, no 2 pi.

    The report took the variance of the training pixels for s ("legacy"); the likelihood is largest
    at s = Rec / D, the mean squared error ("true").
    """
    return 0.5 * values * math.log(variance) + rec / (2 * variance) + lat
