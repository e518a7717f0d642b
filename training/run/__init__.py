"""A run between two steps: its state, its start and its checkpoints."""

from training.run.checkpoint import load_run, resume, save
from training.run.start import init_from_images, new_state
from training.run.state import State

__all__ = ["State", "init_from_images", "load_run", "new_state", "resume", "save"]
