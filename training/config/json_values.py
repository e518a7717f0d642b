"""Configurations read from JSON: the names and places of their fields, also in old runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from training.errors import TrainingError

# Fields of the objective that were fields of the run in the first release.
_MOVED = {
    "beta",
    "kl_warmup_steps",
    "fixed_variance",
    "variance_floor",
    "commitment",
    "code_decay",
}


def moved(values: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of a run with the fields of the objective in their present place."""
    known = {key: value for key, value in values.items() if key not in _MOVED}
    if old := {key: value for key, value in values.items() if key in _MOVED}:
        sigma = {"sigma": "fixed"} if old.get("fixed_variance") else {}
        known["objective"] = {**old, **sigma, **known.get("objective", {})}
    return known


def checked(kind: type, values: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The fields of the dataclass `kind`; raises TrainingError for names that it does not have."""
    names = {entry.name for entry in dataclasses.fields(kind)}
    if unknown := sorted(values.keys() - names):
        raise TrainingError(f"configuration has unknown keys {[prefix + key for key in unknown]}")
    return {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
