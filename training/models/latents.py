"""What encoders return."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Posterior(NamedTuple):
    """q(z|x) = N(mu, exp(log_var)), each [B, D] or [B, D, h, w]."""

    mu: Tensor
    log_var: Tensor


class Codes(NamedTuple):
    """Nearest entries of one codebook."""

    indices: Tensor
    """int64 [B, h, w]"""
    distance: Tensor
    """squared distance to the chosen code, [B, h, w]"""
    latent: Tensor
    """what was quantised, [B, D, h, w]"""
    codes: Tensor
    """the entries, [B, D, h, w]"""


class Quantised(NamedTuple):
    """An image as an index model sees it, with G symbols per position."""

    z: Tensor
    """what `decode` takes, [B, D, h, w]: codes, through which gradients reach the encoder"""
    indices: Tensor
    """int64 [B, G, h, w]"""
    distance: Tensor
    """squared distance to what was chosen, [B, G, h, w]"""
    levels: tuple[Codes, ...]
    """what each codebook of the model found; none where nothing is looked up"""


def straight_through(latent: Tensor, codes: Tensor) -> Tensor:
    """The codes in the forward pass, the identity in the backward pass (Bengio et al. 2013)."""
    return latent + (codes - latent).detach()
