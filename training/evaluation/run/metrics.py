"""A run in numbers, at images that it did not learn from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from codec.arrays import U8
from training.config.model import GLOBAL_FAMILIES, POINT_FAMILIES
from training.data.datasets import Images
from training.evaluation.run.latent_pictures import reconstruct
from training.loop.validation import batches, validate
from training.metrics import latents as diagnostics
from training.metrics.images import evenly, ssim
from training.models import GaussianModel, IndexModel
from training.models.pca import Pca, reconstruction_error
from training.objectives import regularisers
from training.objectives.likelihoods import squared_error
from training.objectives.losses import draw
from training.run import checkpoint
from training.run.state import State, new_state

SSIM_IMAGES, MMD_IMAGES, MI_IMAGES = 500, 2000, 10_000
"""for how many images the slow measures are taken, at most"""
SEED = 2
_REMEMBERED = ("step", "variance", "data_variance", "images")


def evaluation_state(run: Path) -> tuple[State, dict[str, Any]]:
    """(state with the weights for export, on the CPU; info) of a run folder.

    `info` is that of `checkpoint.load_run`.
    """
    config, model, info = checkpoint.load_run(run)
    state = new_state(config, torch.device("cpu"))
    state.model = state.ema_model = model
    for name in _REMEMBERED:
        setattr(state, name, info["state"].get(name, getattr(state, name)))
    if state.log_variance is not None:
        tensors = checkpoint.read(run / checkpoint.BEST).tensors
        state.log_variance.data.copy_(tensors["log_variance"])
    return state, info


def run_metrics(state: State, images: Images) -> dict[str, Any]:
    """`validation.validate` at images [C, H, W] and what follows from it; `report` names the rows.

    Rec is in squared pixel units of [0, 1] per image, other losses in nats per image.
    """
    model, config = state.model, state.config
    found = validate(state, images, MI_IMAGES)
    found |= {"images": len(images), **_similarity(state, images)}
    if isinstance(model, IndexModel):
        return found
    found["latents"] = config.model.latent
    if config.model.family in GLOBAL_FAMILIES:
        found |= _discrepancy(state, model, images)
    values = sum(batch.size for batch in batches(images, config)) / len(images)
    return found | likelihoods(state, found, values)


def likelihoods(state: State, found: Mapping[str, float], values: float) -> dict[str, float]:
    """ELBO, bits per dimension and the ResLag report's totals from Rec and KL.

    `values` is D, the number of values of an image; codes without a posterior have none of these.
    """
    objective, rec, rate = state.config.objective, found["rec"], found["rate"]
    if state.config.model.family in POINT_FAMILIES:
        return {}
    known = {"total_true": diagnostics.sigma_total(rec, rate, rec / values, values)}
    if state.data_variance:
        legacy = diagnostics.sigma_total(rec, rate, state.data_variance, values)
        known |= {"total_legacy": legacy, "data_variance": state.data_variance}
    if objective.distortion == "squared":
        known["total_beta"] = diagnostics.beta_total(rec, rate, objective.beta)
    if objective.regulariser == "info":
        known["total_mmd"] = diagnostics.mmd_total(rec, found["mmd"], objective.mmd_weight)
    distortion = found["distortion"]
    if objective.distortion != "gaussian":
        distortion = diagnostics.sigma_total(rec, 0.0, state.variance or rec / values, values)
    bound = diagnostics.elbo(distortion, rate, values)
    bits = diagnostics.bits_per_dimension(-bound, values)
    return known | {"elbo": bound, "bits_per_dimension": bits}


def pca_metrics(pca: Pca, images: Images) -> dict[str, float]:
    """Squared error per image and PSNR of a linear code of as many numbers."""
    rec = reconstruction_error(pca, images)
    psnr = diagnostics.psnr(rec / images[0].size)
    return {"pca_components": len(pca.components), "pca_rec": rec, "pca_psnr": psnr}


@torch.no_grad()
def _similarity(state: State, images: Images) -> dict[str, Any]:
    """PSNR of each image, averaged; structural similarity of evenly spread ones."""
    chosen = set(evenly(len(images), SSIM_IMAGES))
    psnr: list[float] = []
    similar: list[float] = []
    for batch in batches(images, state.config):
        x = to_float(batch)
        x_hat = reconstruct(state.model, x)
        restored = to_u8(x_hat)
        for image, drawn, error in zip(batch, restored, squared_error(x, x_hat), strict=True):
            if len(psnr) in chosen:
                similar.append(ssim(image.transpose(1, 2, 0), drawn.transpose(1, 2, 0)))
            psnr.append(diagnostics.psnr(float(error) / image.size))
    return {
        "psnr_image": float(np.mean(psnr)),
        "ssim": float(np.mean(similar)),
        "ssim_images": len(similar),
    }


@torch.no_grad()
def _discrepancy(state: State, model: GaussianModel, images: Images) -> dict[str, Any]:
    """MMD of posterior samples of evenly spread images and of as many samples of the prior."""
    noise = torch.Generator().manual_seed(SEED)
    some = [images[i] for i in evenly(len(images), MMD_IMAGES)]
    posteriors = [model.encode(to_float(batch)) for batch in batches(some, state.config)]
    z = torch.cat([draw(state, posterior, noise) for posterior in posteriors])
    prior = torch.empty_like(z).normal_(generator=noise)
    return {"mmd": float(regularisers.mmd(z, prior)), "mmd_images": len(z)}


def to_float(batch: U8) -> Tensor:
    """Bytes as images in [0, 1]."""
    return torch.from_numpy(batch).float() / 255


def to_u8(x: Tensor) -> U8:
    """Images in [0, 1] as bytes."""
    array: U8 = (x * 255).round().clamp(0, 255).byte().numpy()
    return array
