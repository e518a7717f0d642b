"""Metrics of codecs, detectors and latents: pure functions of arrays and tensors."""
