"""Drawn defects: images with parts that do not belong in them, and masks of these parts.

One family trains autoencoders and segmenters, another one ranks anomaly scores on held-out
normal images. They share no kind, so that a score is not ranked by what was trained.
"""

from training.data.defects.bank import Bank, draw_bank
from training.data.defects.draw import draw
from training.data.defects.kinds import RANKING_GROUPS, RANKING_KINDS, TRAINING_KINDS

__all__ = ["RANKING_GROUPS", "RANKING_KINDS", "TRAINING_KINDS", "Bank", "draw", "draw_bank"]
