"""Evaluation of a bundle: rate, distortion, exactness and detection. It needs onnxruntime."""

from training.evaluation.bundle.evaluation import BundleOptions, BundleReport, evaluate_bundle

__all__ = ["BundleOptions", "BundleReport", "evaluate_bundle"]
