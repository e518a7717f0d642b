"""Bundles: a model as a folder or a tar file, with its manifest, graphs, tables and calibration."""

from codec.bundle.bundle import Bundle, load_bundle, write_bundle
from codec.bundle.manifest import LatentSpec, Manifest, ScoreSpec
from codec.bundle.npz import Calibration

__all__ = [
    "Bundle",
    "Calibration",
    "LatentSpec",
    "Manifest",
    "ScoreSpec",
    "load_bundle",
    "write_bundle",
]
