"""The segmenter, a network that sees an image and marks the pixels of defects.

It is trained after the autoencoder of a run, on normal images with drawn defects, and needs only
the configuration of the run. A run does not need one, and records do not depend on it.
"""

from training.segmenter.files import SEGMENTER, load_segmenter
from training.segmenter.network import Segmenter, SegmenterConfig
from training.segmenter.train import measure, steps_within, train_segmenter

__all__ = [
    "SEGMENTER",
    "Segmenter",
    "SegmenterConfig",
    "load_segmenter",
    "measure",
    "steps_within",
    "train_segmenter",
]
