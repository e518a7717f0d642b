"""Losses: likelihoods, regularisers, and the loss of a batch under an objective."""

from training.objectives.context import LossContext
from training.objectives.losses import Loss, batch_loss

__all__ = ["Loss", "LossContext", "batch_loss"]
