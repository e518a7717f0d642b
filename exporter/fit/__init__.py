"""What is fitted to images: quantisation steps, priors of the codes, calibration of the scores."""

from exporter.fit.bundle import draft_bundle, fit_bundle

__all__ = ["draft_bundle", "fit_bundle"]
