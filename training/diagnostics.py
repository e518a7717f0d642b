"""Numbers that say whether a model is healthy; pure functions."""

from __future__ import annotations

import math

import torch
from torch import Tensor

ACTIVE = 0.01
"""variance of a posterior mean over the data from which a latent counts as active"""


def psnr(mse: float) -> float:
    """Peak signal-to-noise ratio in dB of a mean squared error in squared units of [0, 1]."""
    return -10 * math.log10(max(mse, 1e-12))


def bits(nats: float) -> float:
    """Nats in bits."""
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
