"""Metrics of codecs, detectors and latents: pure functions of arrays and tensors."""

from training.metrics.detection import average_precision, best_f1, clopper_pearson
from training.metrics.images import auroc, ssim
from training.metrics.latents import active_units, elbo, mutual_information, perplexity, psnr
from training.metrics.pixels import aupro

__all__ = [
    "active_units",
    "aupro",
    "auroc",
    "average_precision",
    "best_f1",
    "clopper_pearson",
    "elbo",
    "mutual_information",
    "perplexity",
    "psnr",
    "ssim",
]
