"""The loss and the health of the averaged weights on held-out images, after each epoch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.config.run import TrainConfig
from training.data.image_files import Images
from training.distributed import SINGLE_PROCESS
from training.loop.decoded_images import decoding_deviation, validate_decoded
from training.loop.means import mean_loss, mean_psnr
from training.metrics import latents as diagnostics
from training.metrics.images import evenly
from training.models.base import GaussianModel, IndexModel
from training.models.latents import Posterior
from training.objectives import likelihoods
from training.objectives.context import LossContext
from training.objectives.distortion import distort
from training.objectives.losses import Loss, Sample, draw, evaluate, latent_loss
from training.run.state import State

# Most pixels in a validation batch of more than one image.
PIXELS = 2**20
# Images for the mutual information, which is then at most ln 2048 = 7.6 nats.
MI_IMAGES = 2048
SEED = 1


def whole_cells(image: NDArray[np.uint8], config: TrainConfig) -> NDArray[np.uint8]:
    """The middle of [C, H, W] whose sides are multiples of the stride, for models of any size."""
    if not config.crop:
        return image
    stride = config.model.stride
    _, height, width = image.shape
    top, left = height % stride // 2, width % stride // 2
    return image[:, top : top + height // stride * stride, left : left + width // stride * stride]


def batches(images: Images, config: TrainConfig) -> Iterator[NDArray[np.uint8]]:
    """All images as uint8 [B, C, H, W]; neighbours of equal shape share a batch."""
    whole = (whole_cells(image, config) for image in images)
    for shape, group in groupby(whole, key=lambda image: image.shape):
        of_one_shape = list(group)
        size = max(1, PIXELS // (shape[1] * shape[2]))
        for first in range(0, len(of_one_shape), size):
            yield np.stack(of_one_shape[first : first + size])


@torch.no_grad()
def validate(state: State, images: Images, mi_images: int = MI_IMAGES) -> dict[str, Any]:
    """The loss of the run's own objective in nats per image, Rec, PSNR in dB, and the latents.

    `rec` and `psnr_sample` are the squared error per image and the PSNR of a posterior sample,
    `rec_mean` and `psnr` those of the posterior mean, `rec_decoded` and `psnr_decoded` those of
    records of the default level. The mutual information is that of `mi_images` images, evenly
    spread.
    """
    model, tensors = state.ema_model.eval(), to_floats(state.config, images, state.device)
    if isinstance(model, IndexModel):
        return _validate_indices(validation_context(state), model, tensors)
    context = validation_context(state)
    figures, posteriors = _validate_gaussian(context, model, tensors)
    figures |= _latents(model, posteriors, context.noise, mi_images)
    sigma = decoding_deviation(state, posteriors)
    return figures | validate_decoded(
        validation_context(state),
        model,
        zip(to_floats(state.config, images, state.device), posteriors, strict=True),
        sigma,
    )


def to_floats(config: TrainConfig, images: Images, device: torch.device) -> Iterator[Tensor]:
    """All images as floats [B, C, H, W] in [0, 1] on a device."""
    for batch in batches(images, config):
        yield torch.from_numpy(batch).to(device).float() / 255


def validation_context(state: State) -> LossContext:
    """The context of a loss at the end of all schedules: it makes the losses of epochs comparable.

    GECO counts with the multiplier 1, which is a likelihood with the noise of its target PSNR.
    """
    objective = state.config.objective
    last = max(objective.kl_warmup_steps, objective.capacity_steps)
    return replace(
        state.loss_context(),
        noise=torch.Generator(state.device).manual_seed(SEED),
        step=max(state.step, last),
        multiplier=1.0,
        fixed_optimum=state.variance or None,
        group=SINGLE_PROCESS,
        bf16=False,
    )


def _validate_gaussian(
    context: LossContext, model: GaussianModel, tensors: Iterator[Tensor]
) -> tuple[dict[str, Any], list[Posterior]]:
    losses, sampled, restored, posteriors, values = [], [], [], [], []
    for x in tensors:
        posterior = model.encode(x)
        z = draw(model, posterior, context.noise)
        x_hat = model.decode(z)
        losses.append(
            evaluate(context, model, Sample(posterior, z, model.predict_latents(z)), x_hat, x)
        )
        sampled.append(likelihoods.squared_error(x, x_hat))
        restored.append(likelihoods.squared_error(x, model.decode(posterior.mu)))
        posteriors.append(posterior)
        values.append(x[0].numel())
    loss = mean_loss(losses, [len(batch) for batch in restored])
    rate = float(loss.rate)
    figures = {
        "loss": float(loss.total),
        "distortion": float(loss.distortion),
        "rate": rate,
        "rate_bits": diagnostics.bits(rate),
        "rec": float(torch.cat(sampled).mean()),
        "rec_mean": float(torch.cat(restored).mean()),
        "psnr": mean_psnr(restored, values),
        "psnr_sample": mean_psnr(sampled, values),
        "sigma": float(loss.variance) ** 0.5,
    }
    return figures, posteriors


def _latents(
    model: GaussianModel,
    posteriors: Sequence[Posterior],
    noise: torch.Generator,
    mi_images: int,
) -> dict[str, Any]:
    """Active and collapsed latents; mutual information where an image has one latent vector."""
    mu, log_var = (
        torch.cat([part.transpose(0, 1).flatten(1) for part in parts], dim=1).T
        for parts in zip(*posteriors, strict=True)
    )
    numbers: dict[str, Any] = {"active_units": int(diagnostics.active_units(mu).sum())}
    if model.point:
        return numbers
    kl = likelihoods.kl_per_latent(mu, log_var)
    numbers["collapsed_units"] = int(diagnostics.collapsed_units(kl).sum())
    if posteriors[0].mu.dim() == 2:
        chosen = evenly(len(mu), mi_images)
        numbers["mi"] = diagnostics.mutual_information(mu[chosen], log_var[chosen], noise)
        numbers["mi_cap"] = math.log(len(chosen))
    return numbers


def _validate_indices(
    context: LossContext, model: IndexModel, tensors: Iterator[Tensor]
) -> dict[str, Any]:
    objective = context.objective
    weight = objective.commitment + (objective.codebook_update == "loss")
    losses, errors, values = [], [], []
    counts: dict[str, Tensor] = {}
    for x in tensors:
        quantised = model.encode(x)
        x_hat = model.decode(quantised.z)
        distortion, variance, error = distort(context, x_hat, x)
        rate = x[0].numel() * latent_loss(likelihoods.commitment, quantised).mean()
        losses.append(Loss(distortion + weight * rate, distortion, rate, variance, error))
        errors.append(likelihoods.squared_error(x, x_hat))
        values.append(x[0].numel())
        for name, new in model.tally(quantised.indices).items():
            counts[name] = counts.get(name, 0) + new
    sizes = [len(batch) for batch in errors]
    loss = mean_loss(losses, sizes)
    return {
        "loss": float(loss.total),
        "distortion": float(loss.distortion),
        "commitment": float(loss.rate),
        "rec": float(torch.cat(errors).mean()),
        "psnr": mean_psnr(errors, values),
        "sigma": float(loss.variance) ** 0.5,
        "code_usage": diagnostics.code_usage(torch.cat(list(counts.values()))),
        "code_bits": sum(map(diagnostics.code_bits, counts.values())) / sum(sizes),
        **perplexities(counts),
    }


def perplexities(counts: Mapping[str, Tensor]) -> dict[str, float]:
    """The perplexity of each codebook, by its name where a model has several; counts [K]."""
    if len(counts) == 1:
        return {"perplexity": diagnostics.perplexity(*counts.values())}
    return {f"perplexity_{name}": diagnostics.perplexity(n) for name, n in counts.items()}
