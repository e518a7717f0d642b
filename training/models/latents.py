"""What encoders return."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Posterior(NamedTuple):
    """q(z|x) = N(mu, exp(log_var)), each [B, D] or [B, D, h, w]."""

    mu: Tensor
    log_var: Tensor


class Codes(NamedTuple):
    """Nearest entries of a codebook."""

    indices: Tensor
    """int64 [B, h, w]"""
    distance: Tensor
    """squared distance to the chosen code, [B, h, w]"""
    latent: Tensor
    """what was quantised, [B, D, h, w]"""
