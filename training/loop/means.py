"""Means over held-out images from the figures of their batches."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from training.metrics import latents as diagnostics
from training.objectives.losses import Loss


def mean_loss(losses: Sequence[Loss], sizes: Sequence[int]) -> Loss:
    """The mean over the images of batches of these sizes."""
    weights = torch.tensor(sizes, dtype=torch.float64) / sum(sizes)
    return Loss(*(torch.stack([torch.stack(loss).double().cpu() for loss in losses]).T @ weights))


def mean_psnr(errors: Sequence[Tensor], values: Sequence[int]) -> float:
    """PSNR in dB of the mean squared error, from errors [B] of batches of images of `values`."""
    mse = [error / count for error, count in zip(errors, values, strict=True)]
    return diagnostics.psnr(float(torch.cat(mse).mean()))
