"""Named training configurations: the shipped models, families, data sets, and the ResLag report."""

from training.presets.lookup import PRESETS, preset_names

__all__ = ["PRESETS", "preset_names"]
