"""Metrics of codecs, detectors and latents: pure functions of arrays and tensors."""

from training.metrics.images import auroc, ssim
from training.metrics.latents import active_units, elbo, mutual_information, perplexity, psnr

__all__ = ["active_units", "auroc", "elbo", "mutual_information", "perplexity", "psnr", "ssim"]
