"""The loss of a batch under the objective of a configuration.

    total = distortion + beta * regulariser + penalties,   nats per image

The formulas are pure functions in `objectives` and `regularisers`; here they are chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor

from training.config.model import POINT_FAMILIES
from training.config.objective import LEARNED_SIGMA, ObjectiveConfig
from training.distributed import ALONE, World
from training.models import GaussianModel, IndexModel, Model
from training.models.latents import Codes, Posterior, Quantised
from training.models.linear import LinearVae
from training.objectives import likelihoods as objectives
from training.objectives import regularisers
from training.objectives.rate_range import coarsen, draw_octaves, prior_of
from training.run.state import State


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


class Drawn(NamedTuple):
    """A posterior and a sample of it."""

    posterior: Posterior
    z: Tensor
    prior: Posterior | None = None
    """what the latents are compared with, N(0, 1) if absent"""
    octaves: Tensor | None = None
    """log2 of the step multiplier of each image [B], in a run for a range of rates"""


class Sampled(NamedTuple):
    """A posterior, a sample of it, and how the batch looks to a regulariser."""

    posterior: Posterior
    z: Tensor
    kl: Tensor
    """[B], nats"""
    objective: ObjectiveConfig
    step: int
    images: int
    """size of the training set"""
    generator: torch.Generator | None


def batch_loss(state: State, x: Tensor, target: Tensor) -> Loss:
    """The loss of x [B, C, H, W] where `target` should come out; moves codebooks.

    In one of several processes: that of its rows, in which the regulariser is that of all rows.
    """
    if isinstance(state.model, IndexModel):
        return index_loss(state, state.model, x, target)
    return gaussian_loss(state, state.model, x, target)


def gaussian_loss(state: State, model: GaussianModel, x: Tensor, target: Tensor) -> Loss:
    """Distortion of a posterior sample, regulariser and penalties."""
    objective = state.config.objective
    if objective.contraction:
        x = x.detach().requires_grad_()
    with state.autocast():
        mu, log_var = model.encode(x)
    posterior = Posterior(mu.float(), log_var.float())
    octaves = draw_octaves(state, x)
    if octaves is not None:
        posterior = coarsen(model, posterior, octaves)
    z = draw(state, posterior, state.noise, state.world)
    loss = evaluate(
        state,
        Drawn(posterior, z, prior_of(model, z, octaves), octaves),
        decode(state, model, z, octaves),
        target,
        generator=state.noise,
        world=state.world,
    )
    total = loss.total
    if objective.sparsity:
        total = total + objective.sparsity * regularisers.sparsity(posterior.mu)
    if objective.contraction:
        v = state.world.normal_like(posterior.mu, state.noise)
        penalty = regularisers.contraction(posterior.mu, x, v)
        total = total + objective.contraction * penalty
    return loss._replace(total=total)


def decode(state: State, model: Model, z: Tensor, octaves: Tensor | None = None) -> Tensor:
    """z to x_hat [B, C, H, W] in float32, at the precision of the run."""
    with state.autocast():
        if octaves is None or isinstance(model, IndexModel | LinearVae):
            return model.decode(z).float()
        return model.decode(z, octaves).float()


def draw(
    state: State, posterior: Posterior, generator: torch.Generator | None, world: World = ALONE
) -> Tensor:
    """A sample of the posterior; the code itself where a code has no noise."""
    if state.config.model.family in POINT_FAMILIES:
        return posterior.mu
    return objectives.reparameterise(*posterior, world.normal_like(posterior.mu, generator))


def evaluate(
    state: State,
    drawn: Drawn,
    x_hat: Tensor,
    target: Tensor,
    *,
    generator: torch.Generator | None,
    variance: float | None = None,
    world: World = ALONE,
) -> Loss:
    """The loss of an encoded and decoded batch, without penalties on the encoder.

    `variance` stands in for the optimal one, which a single batch of validation does not know.
    With octaves an image counts by its step multiplier s: distortion and rate fall about like
    1 / s, and no rate shall crowd out the others.
    """
    objective = state.config.objective
    posterior, z = Posterior(*map(world.gather, drawn.posterior)), world.gather(drawn.z)
    if state.config.model.family in POINT_FAMILIES:
        kl = z.new_zeros(len(z))
    elif drawn.prior is not None:
        kl = world.gather(objectives.kl_between(*drawn.posterior, *drawn.prior))
    else:
        kl = objectives.gaussian_kl(*posterior)
    if drawn.octaves is not None:
        kl = kl * world.gather(2**drawn.octaves)
    sampled = Sampled(posterior, z, kl, objective, state.step, state.images, generator)
    penalty = REGULARISERS[objective.regulariser](sampled)
    distortion, sigma2, mse = distort(state, x_hat, target, variance, world, drawn.octaves)
    if objective.target_psnr:
        excess = regularisers.psnr_excess(mse, objective.target_psnr)
        total = penalty + state.multiplier * 0.5 * target[0].numel() * excess
    else:
        total = distortion + objective.beta * warm_up(state) * penalty
    return Loss(total, distortion, kl.mean(), sigma2, mse)


def warm_up(state: State) -> float:
    """Part of beta that counts now: 1, or less in the first `kl_warmup_steps`."""
    steps = state.config.objective.kl_warmup_steps
    return min(1.0, (state.step + 1) / steps) if steps else 1.0


def distort(
    state: State,
    x_hat: Tensor,
    target: Tensor,
    variance: float | None = None,
    world: World = ALONE,
    octaves: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """(distortion, variance of the pixel noise, mean squared error), scalars."""
    objective, values = state.config.objective, target[0].numel()
    sse = objectives.squared_error(target, x_hat)
    mse = sse.mean() / values
    if objective.distortion == "squared":
        return sse.mean(), mse.detach(), mse
    if objective.distortion == "bernoulli":
        return objectives.bernoulli_nll(target, x_hat).mean(), mse.detach(), mse
    if objective.sigma in LEARNED_SIGMA:
        log_variance = state.learned_log_variance()
        nll = objectives.gaussian_nll_map(target, x_hat, log_variance)
        return nll.mean(), log_variance.detach().exp().mean(), mse
    sigma2 = world.mean(noise_variance(state, sse, values, variance))
    if octaves is not None:
        # s / 2 v s^2: the weight s of the image, and noise of variance v s^2 at its rate
        sse = sse / 2**octaves
    return objectives.gaussian_nll(sse, sigma2, values).mean(), sigma2, mse


def noise_variance(state: State, sse: Tensor, values: int, usual: float | None = None) -> Tensor:
    """The variance that the objective gives to the pixels of this batch.

    `usual` takes the place of the optimal one.
    """
    objective = state.config.objective
    if objective.sigma == "optimal":
        if usual is not None:
            return sse.new_tensor(usual)
        return objectives.optimal_variance(sse, values, objective.variance_floor)
    known = objective.fixed_variance if objective.sigma == "fixed" else state.data_variance
    return sse.new_tensor(known)


def adapt_multiplier(state: State, loss: Loss) -> None:
    """One step of GECO's multiplier towards the target PSNR."""
    excess = regularisers.psnr_excess(loss.mse, state.config.objective.target_psnr).item()
    state.excess = regularisers.next_excess(state.excess, excess)
    state.multiplier = regularisers.next_multiplier(state.multiplier, state.excess)


def _free_bits(s: Sampled) -> Tensor:
    return regularisers.free_bits(objectives.kl_per_latent(*s.posterior), s.objective.free_bits)


def _capacity(s: Sampled) -> Tensor:
    objective = s.objective
    nats = regularisers.capacity_at(s.step, objective.capacity_steps, objective.capacity)
    return regularisers.capacity(s.kl, nats)


def _info(s: Sampled) -> Tensor:
    prior = torch.empty_like(s.z).normal_(generator=s.generator)
    discrepancy = regularisers.mmd(s.z, prior)
    return regularisers.info(s.kl, discrepancy, s.objective.info_alpha, s.objective.mmd_weight)


def _beta_tc(s: Sampled) -> Tensor:
    parts = regularisers.kl_parts(s.z, *s.posterior, s.images or len(s.z))
    return regularisers.beta_tc(parts, s.objective.tc_weight)


def _dip(s: Sampled) -> Tensor:
    weights = s.objective.dip_diagonal, s.objective.dip_off_diagonal
    return s.kl.mean() + regularisers.dip(*s.posterior, *weights)


REGULARISERS: Mapping[str, Callable[[Sampled], Tensor]] = MappingProxyType(
    {
        "kl": lambda s: s.kl.mean(),
        "free_bits": _free_bits,
        "capacity": _capacity,
        "info": _info,
        "beta_tc": _beta_tc,
        "dip": _dip,
        "none": lambda s: s.kl.new_zeros(()),
    }
)


def index_loss(state: State, model: IndexModel, x: Tensor, target: Tensor) -> Loss:
    """Distortion, commitment and, where one trains the codes, their loss; moves codebooks.

    As in the authors' implementation the terms are means over their values, here times the D values
    of the image, so that the balance depends on neither size.
    """
    objective, values = state.config.objective, target[0].numel()
    if not all(bool(book.started) for book in model.codebooks()):
        model.start(state.world.gather(x), state.noise)
    with state.autocast():
        found = model.encode(x)
    x_hat = decode(state, model, found.z)
    distortion, sigma2, mse = distort(state, x_hat, target, world=state.world)
    rate = values * latent_loss(objectives.commitment, found).mean()
    total = distortion + objective.commitment * rate
    if objective.codebook_update == "loss":
        total = total + values * latent_loss(objectives.codebook, found).mean()
    with torch.no_grad():
        whole = [Codes(*map(state.world.gather, codes)) for codes in found.levels]
    model.update(found._replace(levels=tuple(whole)), objective.code_decay, state.noise)
    return Loss(total, distortion, rate, sigma2, mse)


def latent_loss(term: Callable[[Tensor, Tensor], Tensor], found: Quantised) -> Tensor:
    """A term of latents and codes per latent value, summed over the codebooks: [B]."""
    losses = [term(one.latent, one.codes) / one.latent[0].numel() for one in found.levels]
    return torch.stack([found.z.new_zeros(len(found.z)), *losses]).sum(0)
