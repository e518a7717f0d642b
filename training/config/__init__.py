"""The configuration of a run: frozen, checked dataclasses and their JSON form."""

from training.config.model import ModelConfig
from training.config.objective import ObjectiveConfig
from training.config.run import DataConfig, TrainConfig, from_json, to_json

__all__ = ["DataConfig", "ModelConfig", "ObjectiveConfig", "TrainConfig", "from_json", "to_json"]
