"""The comparator, a network that sees an image and its decoded record, and marks defects.

It is trained after the autoencoder of a run, on normal images with drawn defects. A run does not
need one, and records do not depend on it.
"""

from training.comparator.files import COMPARATOR, load_comparator
from training.comparator.network import Comparator, ComparatorConfig
from training.comparator.train import measure, steps_within, train_comparator

__all__ = [
    "COMPARATOR",
    "Comparator",
    "ComparatorConfig",
    "load_comparator",
    "measure",
    "steps_within",
    "train_comparator",
]
