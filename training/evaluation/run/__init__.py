"""Evaluation of a training run, before any export: measures, tables and pictures of its latents."""

from training.evaluation.run.evaluation import RunReport, evaluate_run

__all__ = ["RunReport", "evaluate_run"]
