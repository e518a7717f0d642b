"""The loss of codes as they are decoded: posterior means, rounded at the quality levels in use.

Training decodes samples of the posterior, a record decodes rounded means (`codec.quantise`). Both
lie as far from the mean, but a decoder that has only seen samples may shift the means of smooth
images by several gray levels. So the decoder can be trained on rounded means at the end.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from codec.arrays import F32
from codec.quantise import MAX_CODE, log2_step_scale, steps
from training.config.objective import ObjectiveConfig
from training.models.base import GaussianModel
from training.objectives.context import LossContext
from training.objectives.losses import Loss, Sample, evaluate
from training.objectives.rate_range import coarsen

DEFAULT_LEVEL = 8
# All that a bundle has.
LEVELS = range(17)
# Those of runs with a single rate: around the default one.
NEAR_DEFAULT = range(6, 13)
LEAST_SIGMA = 1e-4


def trained_levels(objective: ObjectiveConfig) -> list[int]:
    """Quality levels to train for: those within `octaves`, or near the default one."""
    low, high = objective.octaves
    within = [level for level in LEVELS if low <= log2_step_scale(level) <= high]
    return within if low < high and within else list(NEAR_DEFAULT)


def posterior_deviation(log_vars: Iterable[Tensor]) -> F32:
    """sigma [D], which sets the steps: the geometric mean deviation of the posteriors.

    From log-variances [B, D] or [B, D, h, w] of images, each of the same weight, as at export.
    Where an image is blank the posterior is as wide as the prior and costs no bits; in a root mean
    square such places would make the steps too large for all others.
    """
    total, count = np.zeros(()), 0
    for log_var in log_vars:
        of_images = log_var.double().unsqueeze(-1).flatten(2).mean(2)
        total = total + of_images.sum(0).cpu().numpy()
        count += len(log_var)
    sigma = np.exp(total / max(count, 1) / 2).astype(np.float32)
    return np.maximum(sigma, np.float32(LEAST_SIGMA))


def round_means(mu: Tensor, step: Tensor) -> Tensor:
    """The latents that a record holds, bit for bit as `codec.quantise` gives them.

    mu [B, D] or [B, D, h, w], steps [D] or [B, D], to the shape of mu.
    """
    step = step.reshape(-1, step.shape[-1], *([1] * (mu.dim() - 2)))
    codes = (mu / step).round().clamp(-MAX_CODE, MAX_CODE)
    # There is no integer -0.
    return (codes + 0.0) * step


def round_to_default(mu: Tensor, sigma: F32) -> Tensor:
    """The latents of records of the default level; mu [B, D, ...], sigma [D]."""
    return round_means(mu, torch.from_numpy(steps(sigma, DEFAULT_LEVEL)).to(mu.device))


def decoded_loss(
    context: LossContext, model: GaussianModel, x: Tensor, target: Tensor, sigma: F32
) -> Loss:
    """The run's own objective of rounded means; only the distortion has gradients.

    x [B, C, H, W] in [0, 1], sigma [D]. Each image is decoded at a random level. The encoder runs
    in single precision, as it does in use.
    """
    levels = trained_levels(context.objective)
    table = torch.from_numpy(np.stack([steps(sigma, level) for level in levels])).to(x.device)
    scales = x.new_tensor([log2_step_scale(level) for level in levels])
    with torch.no_grad():
        posterior = model.encode(x)
        chosen = draw_indices(context, x, len(levels))
        z, scale = round_means(posterior.mu, table[chosen]), scales[chosen]
        weights = scale if context.objective.octaves != (0, 0) else None
        if weights is not None:
            posterior = coarsen(model, posterior, weights)
        sample = Sample(posterior, z, model.predict_latents(z, weights), weights)
    with context.autocast():
        x_hat = model.decode(z, scale).float()
    return evaluate(context, model, sample, x_hat, target)


def draw_indices(context: LossContext, x: Tensor, count: int) -> Tensor:
    """A random number below `count` for each image of x [B, C, H, W]: int64 [B]."""
    share = torch.special.ndtr(context.group.normal_like(x[:, 0, 0, 0], context.noise))
    chosen: Tensor = (share * count).long().clamp(max=count - 1)
    return chosen
