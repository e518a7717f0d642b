"""The loss of a batch under the objective of a configuration.

    total = distortion + beta * regulariser + penalties,   nats per image

The formulas are pure functions in `likelihoods` and `regularisers`; this module combines them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from training.distributed import SINGLE_PROCESS, ProcessGroup
from training.models.base import GaussianModel, IndexModel
from training.models.families import Model
from training.models.latents import Codes, Posterior, Quantised
from training.objectives import likelihoods, regularisers
from training.objectives.context import LossContext
from training.objectives.distortion import distort
from training.objectives.penalties import Latents, penalty
from training.objectives.rate_range import coarsen, draw_step_scales


class Loss(NamedTuple):
    """The terms of one batch, each a scalar: nats per image, except `variance` and `mse`."""

    total: Tensor
    distortion: Tensor
    rate: Tensor
    """KL of posterior and prior; the commitment term of index models; 0 of an autoencoder"""
    variance: Tensor
    """of the pixel noise, squared units of [0, 1]; the mean where it differs over pixels"""
    mse: Tensor
    """mean squared error, squared units of [0, 1]"""


class Sample(NamedTuple):
    """A posterior and a sample of it, in one of several processes that of its images."""

    posterior: Posterior
    z: Tensor
    prior: Posterior | None = None
    """predicted from the neighbours of each latent; None means N(0, 1)"""
    log2_step_scale: Tensor | None = None
    """log2 of the step multiplier of each image [B], in a run for a range of rates"""


def batch_loss(context: LossContext, model: Model, x: Tensor, target: Tensor) -> Loss:
    """The loss of inputs x [B, C, H, W] and wanted outputs `target`. Updates codebooks.

    In one of several processes it is the loss of its rows, with the regulariser of all rows.
    """
    if isinstance(model, IndexModel):
        return index_loss(context, model, x, target)
    return gaussian_loss(context, model, x, target)


def gaussian_loss(context: LossContext, model: GaussianModel, x: Tensor, target: Tensor) -> Loss:
    """Distortion of a posterior sample, regulariser and penalties on the encoder."""
    objective = context.objective
    if objective.contraction:
        x = x.detach().requires_grad_()
    with context.autocast():
        mu, log_var = model.encode(x)
    posterior = Posterior(mu.float(), log_var.float())
    log2_step_scale = draw_step_scales(context, x)
    if log2_step_scale is not None:
        posterior = coarsen(model, posterior, log2_step_scale)
    z = draw(model, posterior, context.noise, context.group)
    sample = Sample(posterior, z, model.predict_latents(z, log2_step_scale), log2_step_scale)
    with context.autocast():
        x_hat = model.decode(z, log2_step_scale).float()
    loss = evaluate(context, model, sample, x_hat, target)
    total = loss.total
    if objective.sparsity:
        total = total + objective.sparsity * regularisers.sparsity(posterior.mu)
    if objective.contraction:
        v = context.group.normal_like(posterior.mu, context.noise)
        contraction = regularisers.contraction(posterior.mu, x, v)
        total = total + objective.contraction * contraction
    return loss._replace(total=total)


def draw(
    model: GaussianModel,
    posterior: Posterior,
    noise: torch.Generator,
    group: ProcessGroup = SINGLE_PROCESS,
) -> Tensor:
    """A sample of the posterior; the code itself where a code has no noise."""
    if model.point:
        return posterior.mu
    return likelihoods.reparameterise(*posterior, group.normal_like(posterior.mu, noise))


def evaluate(
    context: LossContext, model: GaussianModel, sample: Sample, x_hat: Tensor, target: Tensor
) -> Loss:
    """The loss of an encoded and decoded batch, without penalties on the encoder.

    In a run for a range of rates an image has the weight of its step multiplier s: distortion and
    rate fall about like 1 / s, and no rate should dominate the others.
    """
    group, objective = context.group, context.objective
    kl = group.gather(divergence(model, sample))
    posterior = Posterior(*map(group.gather, sample.posterior))
    regulariser = penalty(context, Latents(posterior, group.gather(sample.z), kl))
    distortion, variance, mse = distort(context, x_hat, target, sample.log2_step_scale)
    if objective.target_psnr:
        excess = regularisers.psnr_excess(mse, objective.target_psnr)
        total = regulariser + context.multiplier * 0.5 * target[0].numel() * excess
    else:
        total = distortion + objective.beta * warm_up(context) * regulariser
    return Loss(total, distortion, kl.mean(), variance, mse)


def divergence(model: GaussianModel, sample: Sample) -> Tensor:
    """KL of posterior and prior of each image in nats, [B], times its step multiplier."""
    if model.point:
        return sample.z.new_zeros(len(sample.z))
    if sample.prior is None:
        kl = likelihoods.gaussian_kl(*sample.posterior)
    else:
        kl = likelihoods.kl_between(*sample.posterior, *sample.prior)
    return kl if sample.log2_step_scale is None else kl * 2**sample.log2_step_scale


def warm_up(context: LossContext) -> float:
    """The share of beta at this step: 1, or less in the first `kl_warmup_steps`."""
    steps = context.objective.kl_warmup_steps
    return min(1.0, (context.step + 1) / steps) if steps else 1.0


def index_loss(context: LossContext, model: IndexModel, x: Tensor, target: Tensor) -> Loss:
    """Distortion, commitment and, if a loss trains the codes, that loss. Updates codebooks.

    As in the authors' implementation the terms are means over their values, here times the D values
    of the image, so that the balance depends on neither size.
    """
    objective, group, values = context.objective, context.group, target[0].numel()
    if not all(bool(book.started) for book in model.codebooks()):
        model.seed_codebooks(group.gather(x), context.noise)
    with context.autocast():
        quantised = model.encode(x)
        x_hat = model.decode(quantised.z).float()
    distortion, variance, mse = distort(context, x_hat, target)
    rate = values * latent_loss(likelihoods.commitment, quantised).mean()
    total = distortion + objective.commitment * rate
    if objective.codebook_update == "loss":
        total = total + values * latent_loss(likelihoods.codebook, quantised).mean()
    with torch.no_grad():
        levels = tuple(Codes(*map(group.gather, codes)) for codes in quantised.levels)
    model.update(quantised._replace(levels=levels), objective.code_decay, context.noise)
    return Loss(total, distortion, rate, variance, mse)


def latent_loss(term: Callable[[Tensor, Tensor], Tensor], quantised: Quantised) -> Tensor:
    """A term of latents and codes per latent value, summed over the codebooks: [B]."""
    z, levels = quantised.z, quantised.levels
    losses = [term(codes.latent, codes.codes) / codes.latent[0].numel() for codes in levels]
    return torch.stack([z.new_zeros(len(z)), *losses]).sum(0)
