"""Anomaly scores: their formulas, conformal p-values, and the regions of a heat map."""

from codec.scores.regions import Region, find_regions
from codec.scores.scores import Score

__all__ = ["Region", "Score", "find_regions"]
