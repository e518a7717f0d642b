"""The recipe of `residuum-train detect`: it looks at the images and chooses what is trained."""

from training.detect.look import Facts, look
from training.detect.recipe import batch_size_for, calibration, choose, sentences

__all__ = ["Facts", "batch_size_for", "calibration", "choose", "look", "sentences"]
