"""The results of encoders."""

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
    """the latents before quantisation, [B, D, h, w]"""
    codes: Tensor
    """the entries, [B, D, h, w]"""


class Quantised(NamedTuple):
    """The codes of images in an index model, with G symbols per position."""

    z: Tensor
    """input of `decode`, [B, D, h, w]: codes with a gradient to the encoder"""
    indices: Tensor
    """int64 [B, G, h, w]"""
    distance: Tensor
    """squared distance to the chosen codes, [B, G, h, w]"""
    levels: tuple[Codes, ...]
    """the result of each codebook; empty for models without one"""


def straight_through(latent: Tensor, codes: Tensor) -> Tensor:
    """The codes in the forward pass, the identity in the backward pass (Bengio et al. 2013)."""
    return latent + (codes - latent).detach()
