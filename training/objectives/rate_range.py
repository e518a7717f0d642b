"""One run for a range of rates: each image draws its own, and its posterior is as wide."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from training.models import GaussianModel
from training.models.latents import Posterior
from training.models.pca_vae_map import PcaVaeMap
from training.objectives import likelihoods as objectives
from training.run.state import State


def prior_of(model: GaussianModel, z: Tensor, octaves: Tensor | None = None) -> Posterior | None:
    """The prior of a sample, where the network has one of its own."""
    return model.prior(z, octaves) if isinstance(model, PcaVaeMap) else None


def coarsen(model: GaussianModel, posterior: Posterior, octaves: Tensor) -> Posterior:
    """The posterior at the rates of `octaves` [B]."""
    mu, log_var = posterior
    if isinstance(model, PcaVaeMap):  # no one spread for a prior that changes from place to place
        wider = 2 * math.log(2) * octaves
        return Posterior(mu, log_var + wider.reshape(-1, *([1] * (mu.dim() - 1))))
    return Posterior(mu, objectives.coarsen(log_var, octaves))


def draw_octaves(state: State, x: Tensor) -> Tensor | None:
    """log2 of the step multiplier for each image [B], or None where a run has one rate only."""
    low, high = state.config.objective.octaves
    if low == high == 0:
        return None
    share = torch.special.ndtr(state.world.normal_like(x[:, 0, 0, 0], state.noise))
    octaves: Tensor = low + (high - low) * share
    return octaves
