"""The distortion of a batch and the variance of its pixel noise."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor
from torch.nn import functional

from training.config.objective import LEARNED_SIGMA
from training.errors import TrainingError
from training.objectives import likelihoods
from training.objectives.context import LossContext

# Keeps a little noise in pixels that never change: sigma 0.0025, the limit of Rybkin et al. 2021.
LOWEST_LOG_VARIANCE = -12.0


class Distortion(NamedTuple):
    """The distortion of a batch, each a scalar."""

    value: Tensor
    """nats per image, or the unit of `objective.distortion`"""
    variance: Tensor
    """of the pixel noise, squared units of [0, 1]; the mean where pixels differ"""
    mse: Tensor
    """mean squared error, squared units of [0, 1]"""


def distort(
    context: LossContext, x_hat: Tensor, target: Tensor, log2_step_scale: Tensor | None = None
) -> Distortion:
    """The distortion of x_hat [B, C, H, W]; see `losses.evaluate` for `log2_step_scale` [B]."""
    objective, values = context.objective, target[0].numel()
    sse = likelihoods.squared_error(target, x_hat)
    mse = sse.mean() / values
    if objective.distortion == "squared":
        return Distortion(sse.mean(), mse.detach(), mse)
    if objective.distortion == "bernoulli":
        return Distortion(likelihoods.bernoulli_nll(target, x_hat).mean(), mse.detach(), mse)
    if objective.sigma in LEARNED_SIGMA:
        log_variance = learned_log_variance(context)
        nll = likelihoods.gaussian_nll_map(target, x_hat, log_variance)
        return Distortion(nll.mean(), log_variance.detach().exp().mean(), mse)
    variance = context.group.mean(noise_variance(context, sse, values))
    if log2_step_scale is not None:
        # s / 2 v s^2: the weight s of the image, and noise of variance v s^2 at its rate
        sse = sse / 2**log2_step_scale
    return Distortion(likelihoods.gaussian_nll(sse, variance, values).mean(), variance, mse)


def noise_variance(context: LossContext, sse: Tensor, values: int) -> Tensor:
    """The variance of the pixel noise for images with squared errors `sse` [B]."""
    objective = context.objective
    if objective.sigma == "fixed":
        return sse.new_tensor(objective.fixed_variance)
    if objective.sigma == "data":
        return sse.new_tensor(context.data_variance)
    if context.fixed_optimum is not None:
        return sse.new_tensor(context.fixed_optimum)
    return likelihoods.optimal_variance(sse, values, objective.variance_floor)


def learned_log_variance(context: LossContext) -> Tensor:
    """The log-variance of the pixel noise, bounded below. Raises TrainingError if not learned."""
    if context.log_variance is None:
        raise TrainingError(f"sigma '{context.objective.sigma}' is not learned")
    return LOWEST_LOG_VARIANCE + functional.softplus(context.log_variance - LOWEST_LOG_VARIANCE)
