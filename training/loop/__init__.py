"""The training loop, its schedules and the validation after each epoch."""

from training.loop.loop import train
from training.loop.validation import validate

__all__ = ["train", "validate"]
