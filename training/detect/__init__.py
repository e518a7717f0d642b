"""The recipe of `residuum-train detect`: it looks at the images and chooses what is trained."""

from training.detect.look import Facts, look
from training.detect.recipe import calibration, choose, sentences

__all__ = ["Facts", "calibration", "choose", "look", "sentences"]
