"""Training for a range of rates: a step multiplier for each image, and posteriors as wide."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from training.models.base import GaussianModel
from training.models.latents import Posterior
from training.objectives import likelihoods
from training.objectives.context import LossContext


def draw_step_scales(context: LossContext, x: Tensor) -> Tensor | None:
    """log2 of a random step multiplier for each image [B]; None for runs with a single rate."""
    low, high = context.objective.octaves
    if low == high == 0:
        return None
    share = torch.special.ndtr(context.group.normal_like(x[:, 0, 0, 0], context.noise))
    log2_step_scale: Tensor = low + (high - low) * share
    return log2_step_scale


def coarsen(model: GaussianModel, posterior: Posterior, log2_step_scale: Tensor) -> Posterior:
    """The posterior at the rates of the step multipliers, whose log2 is [B]."""
    mu, log_var = posterior
    if model.prior is None:
        return Posterior(mu, likelihoods.coarsen(log_var, log2_step_scale))
    # The spread of such a prior changes from place to place, so only the posterior is scaled.
    wider = 2 * math.log(2) * log2_step_scale
    return Posterior(mu, log_var + wider.reshape(-1, *([1] * (mu.dim() - 1))))
