"""What the held-out images say about the averaged weights after each epoch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training import diagnostics, objectives
from training.config import TrainConfig
from training.data import Images
from training.losses import Loss, draw, evaluate, latent_loss
from training.models import GaussianModel, IndexModel
from training.state import State

PIXELS = 2**20
"""pixels in a validation batch, at most (or one image)"""
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
        alike = list(group)
        size = max(1, PIXELS // (shape[1] * shape[2]))
        for first in range(0, len(alike), size):
            yield np.stack(alike[first : first + size])


@torch.no_grad()
def validate(state: State, images: Images) -> dict[str, Any]:
    """Loss with the running variance (nats per image), PSNR (dB) and the state of the latents."""
    model = state.average.eval()
    tensors = (
        torch.from_numpy(batch).to(state.device).float() / 255
        for batch in batches(images, state.config)
    )
    if isinstance(model, IndexModel):
        return _validate_indices(model, tensors, state.variance or 1.0, state.config)
    return _validate_vae(state, model, tensors)


def _validate_vae(state: State, model: GaussianModel, tensors: Iterator[Tensor]) -> dict[str, Any]:
    noise = torch.Generator(state.device).manual_seed(SEED)
    sums, images = torch.zeros(len(Loss._fields), dtype=torch.float64), 0
    errors, means = [], []
    for x in tensors:
        posterior = model.encode(x)
        z = draw(state, posterior, noise)
        x_hat = model.decode(z)
        loss = evaluate(
            state, posterior, z, x_hat, x, generator=noise, variance=state.variance or None
        )
        sums += torch.stack(loss).double().cpu() * len(x)
        images += len(x)
        errors.append(((x - model.decode(posterior.mu)) ** 2).flatten(1).mean(1))
        means.append(posterior.mu.transpose(0, 1).flatten(1))
    loss = Loss(*(sums / images))
    rate, variance = float(loss.rate), float(loss.variance)
    active = diagnostics.active_units(torch.cat(means, dim=1).T)
    return {
        "loss": float(loss.total),
        "distortion": float(loss.distortion),
        "rate": rate,
        "rate_bits": diagnostics.bits(rate),
        "psnr": diagnostics.psnr(float(torch.cat(errors).mean())),
        "sigma": variance**0.5,
        "active_units": int(active.sum()),
    }


def _validate_indices(
    model: IndexModel, tensors: Iterator[Tensor], variance: float, config: TrainConfig
) -> dict[str, Any]:
    nll, commitment, errors = [], [], []
    counts: dict[str, Tensor] = {}
    for x in tensors:
        found = model.encode(x)
        sse = objectives.squared_error(x, model.decode(found.z))
        values = x[0].numel()
        nll.append(objectives.gaussian_nll(sse, variance, values))
        commitment.append(values * latent_loss(objectives.commitment, found))
        errors.append(sse / values)
        for name, new in model.tally(found.indices).items():
            counts[name] = counts.get(name, 0) + new
    distortion = float(torch.cat(nll).mean())
    return {
        "loss": distortion + config.objective.commitment * float(torch.cat(commitment).mean()),
        "distortion": distortion,
        "psnr": diagnostics.psnr(float(torch.cat(errors).mean())),
        "sigma": variance**0.5,
        "code_usage": diagnostics.code_usage(torch.cat(list(counts.values()))),
        **perplexities(counts),
    }


def perplexities(counts: Mapping[str, Tensor]) -> dict[str, float]:
    """The perplexity of each codebook, by its name where a model has several; counts [K]."""
    if len(counts) == 1:
        return {"perplexity": diagnostics.perplexity(*counts.values())}
    return {f"perplexity_{name}": diagnostics.perplexity(n) for name, n in counts.items()}
