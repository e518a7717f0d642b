"""Held-out images as they are decoded in use: from rounded means at the default quality level."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from codec.arrays import F32
from training.loop.means import mean_loss, mean_psnr
from training.models.base import GaussianModel, IndexModel
from training.models.latents import Posterior
from training.objectives import likelihoods
from training.objectives.context import LossContext
from training.objectives.decoded import posterior_deviation, round_to_default
from training.objectives.losses import Sample, evaluate
from training.run.state import State


def decoding_deviation(state: State, posteriors: Sequence[Posterior]) -> F32:
    """sigma [D] for the steps: as the decoder learns it, before that of these posteriors."""
    if state.decoded is not None:
        return np.array(state.decoded.sigma, np.float32)
    return posterior_deviation(posterior.log_var for posterior in posteriors)


@torch.no_grad()
def decoded_images(state: State, x: Tensor) -> Tensor:
    """What records of images x [B, C, H, W] in [0, 1] decode to at the default level."""
    model = state.ema_model.eval()
    if isinstance(model, IndexModel):
        return model.reconstruct(x)
    posterior = model.encode(x)
    return model.decode(round_to_default(posterior.mu, decoding_deviation(state, [posterior])))


def validate_decoded(
    context: LossContext,
    model: GaussianModel,
    encoded: Iterable[tuple[Tensor, Posterior]],
    sigma: F32,
) -> dict[str, Any]:
    """The loss and the error of images as records of the default level decode to."""
    losses, errors, values = [], [], []
    for x, posterior in encoded:
        z = round_to_default(posterior.mu, sigma)
        x_hat = model.decode(z)
        sample = Sample(posterior, z, model.predict_latents(z))
        losses.append(evaluate(context, model, sample, x_hat, x))
        errors.append(likelihoods.squared_error(x, x_hat))
        values.append(x[0].numel())
    loss = mean_loss(losses, [len(batch) for batch in errors])
    return {
        "decoded_loss": float(loss.total),
        "decoded_distortion": float(loss.distortion),
        "rec_decoded": float(torch.cat(errors).mean()),
        "psnr_decoded": mean_psnr(errors, values),
    }
