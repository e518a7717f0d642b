"""The numbers of a run on test images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from codec.arrays import U8
from training.config.model import GLOBAL_FAMILIES, POINT_FAMILIES
from training.data.image_files import Images
from training.loop.validation import batches, validate
from training.metrics import latents as diagnostics
from training.metrics.images import evenly, ssim
from training.models import GaussianModel, IndexModel
from training.models.pca import Pca, reconstruction_error
from training.objectives import regularisers
from training.objectives.likelihoods import squared_error
from training.objectives.losses import draw
from training.run import checkpoint
from training.run.files import BEST
from training.run.start import new_state
from training.run.state import State

# At most this many images for the slow measures.
SSIM_IMAGES, MMD_IMAGES, MI_IMAGES = 500, 2000, 10_000
SEED = 2
# Values of a state that its checkpoint holds and the measures need.
_SAVED = ("step", "variance", "data_variance", "images")


def evaluation_state(run: Path) -> tuple[State, dict[str, Any]]:
    """The state of a run with its weights for export, on the CPU, and the checkpoint's info."""
    config, model, info = checkpoint.load_run(run)
    state = new_state(config, torch.device("cpu"))
    state.model = state.ema_model = model
    for name in _SAVED:
        setattr(state, name, info["state"].get(name, getattr(state, name)))
    if state.log_variance is not None:
        tensors = checkpoint.read(run / BEST).tensors
        state.log_variance.data.copy_(tensors["log_variance"])
    return state, info


def run_metrics(state: State, images: Images) -> dict[str, Any]:
    """All measures of images [C, H, W], by their key; `tables` has their names and units.

    Rec is in squared pixel units of [0, 1] per image, other losses in nats per image.
    """
    model, config = state.model, state.config
    metrics = validate(state, images, MI_IMAGES)
    metrics |= {"images": len(images), **_similarity(state, images)}
    if isinstance(model, IndexModel):
        return metrics
    metrics["latents"] = config.model.latent
    if config.model.family in GLOBAL_FAMILIES:
        metrics |= _discrepancy(state, model, images)
    values = sum(batch.size for batch in batches(images, config)) / len(images)
    return metrics | likelihoods(state, metrics, values)


def likelihoods(state: State, metrics: Mapping[str, float], values: float) -> dict[str, float]:
    """ELBO, bits per dimension and the ResLag report's totals from Rec and KL.

    `values` is D, the number of values of an image. Codes without a posterior have no likelihood.
    """
    objective, rec, rate = state.config.objective, metrics["rec"], metrics["rate"]
    if state.config.model.family in POINT_FAMILIES:
        return {}
    totals = {"total_true": diagnostics.sigma_total(rec, rate, rec / values, values)}
    if state.data_variance:
        legacy = diagnostics.sigma_total(rec, rate, state.data_variance, values)
        totals |= {"total_legacy": legacy, "data_variance": state.data_variance}
    if objective.distortion == "squared":
        totals["total_beta"] = diagnostics.beta_total(rec, rate, objective.beta)
    if objective.regulariser == "info":
        totals["total_mmd"] = diagnostics.mmd_total(rec, metrics["mmd"], objective.mmd_weight)
    distortion = metrics["distortion"]
    if objective.distortion != "gaussian":
        distortion = diagnostics.sigma_total(rec, 0.0, state.variance or rec / values, values)
    bound = diagnostics.elbo(distortion, rate, values)
    bits = diagnostics.bits_per_dimension(-bound, values)
    return totals | {"elbo": bound, "bits_per_dimension": bits}


def pca_metrics(pca: Pca, images: Images) -> dict[str, float]:
    """Squared error per image and PSNR of PCA."""
    rec = reconstruction_error(pca, images)
    psnr = diagnostics.psnr(rec / images[0].size)
    return {"pca_components": len(pca.components), "pca_rec": rec, "pca_psnr": psnr}


@torch.no_grad()
def _similarity(state: State, images: Images) -> dict[str, Any]:
    """Mean PSNR of all images, mean SSIM of evenly spread images."""
    chosen = set(evenly(len(images), SSIM_IMAGES))
    psnr: list[float] = []
    similarities: list[float] = []
    for batch in batches(images, state.config):
        x = to_float(batch)
        x_hat = state.model.reconstruct(x)
        restored = to_u8(x_hat)
        for image, drawn, error in zip(batch, restored, squared_error(x, x_hat), strict=True):
            if len(psnr) in chosen:
                similarities.append(ssim(image.transpose(1, 2, 0), drawn.transpose(1, 2, 0)))
            psnr.append(diagnostics.psnr(float(error) / image.size))
    return {
        "psnr_image": float(np.mean(psnr)),
        "ssim": float(np.mean(similarities)),
        "ssim_images": len(similarities),
    }


@torch.no_grad()
def _discrepancy(state: State, model: GaussianModel, images: Images) -> dict[str, Any]:
    """MMD between posterior samples of evenly spread images and as many samples of the prior."""
    noise = torch.Generator().manual_seed(SEED)
    chosen = [images[i] for i in evenly(len(images), MMD_IMAGES)]
    posteriors = [model.encode(to_float(batch)) for batch in batches(chosen, state.config)]
    z = torch.cat([draw(model, posterior, noise) for posterior in posteriors])
    prior = torch.empty_like(z).normal_(generator=noise)
    return {"mmd": float(regularisers.mmd(z, prior)), "mmd_images": len(z)}


def to_float(batch: U8) -> Tensor:
    """Images as bytes to [0, 1]."""
    return torch.from_numpy(batch).float() / 255


def to_u8(x: Tensor) -> U8:
    """Images in [0, 1] to bytes."""
    array: U8 = (x * 255).round().clamp(0, 255).byte().numpy()
    return array
