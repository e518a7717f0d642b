"""Detectors on many sets: our recipe by its commands, and cheap baselines, in one table."""
