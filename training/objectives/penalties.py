"""The regulariser of a batch, chosen by `objective.regulariser`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor

from training.models.latents import Posterior
from training.objectives import likelihoods, regularisers
from training.objectives.context import LossContext


class Latents(NamedTuple):
    """Latents of the whole batch, from all processes."""

    posterior: Posterior
    z: Tensor
    """a sample of the posterior"""
    kl: Tensor
    """[B], nats"""


def penalty(context: LossContext, latents: Latents) -> Tensor:
    """The regulariser of a batch, a scalar in nats per image."""
    return _PENALTIES[context.objective.regulariser](context, latents)


def _kl(_: LossContext, latents: Latents) -> Tensor:
    return latents.kl.mean()


def _free_bits(context: LossContext, latents: Latents) -> Tensor:
    kl = likelihoods.kl_per_latent(*latents.posterior)
    return regularisers.free_bits(kl, context.objective.free_bits)


def _capacity(context: LossContext, latents: Latents) -> Tensor:
    objective = context.objective
    nats = regularisers.capacity_at(context.step, objective.capacity_steps, objective.capacity)
    return regularisers.capacity(latents.kl, nats)


def _info(context: LossContext, latents: Latents) -> Tensor:
    objective = context.objective
    prior = torch.empty_like(latents.z).normal_(generator=context.noise)
    discrepancy = regularisers.mmd(latents.z, prior)
    return regularisers.info(latents.kl, discrepancy, objective.info_alpha, objective.mmd_weight)


def _beta_tc(context: LossContext, latents: Latents) -> Tensor:
    images = context.images or len(latents.z)
    parts = regularisers.kl_parts(latents.z, *latents.posterior, images)
    return regularisers.beta_tc(parts, context.objective.tc_weight)


def _dip(context: LossContext, latents: Latents) -> Tensor:
    weights = context.objective.dip_diagonal, context.objective.dip_off_diagonal
    return latents.kl.mean() + regularisers.dip(*latents.posterior, *weights)


def _none(_: LossContext, latents: Latents) -> Tensor:
    return latents.kl.new_zeros(())


_PENALTIES: Mapping[str, Callable[[LossContext, Latents], Tensor]] = MappingProxyType(
    {
        "kl": _kl,
        "free_bits": _free_bits,
        "capacity": _capacity,
        "info": _info,
        "beta_tc": _beta_tc,
        "dip": _dip,
        "none": _none,
    }
)
