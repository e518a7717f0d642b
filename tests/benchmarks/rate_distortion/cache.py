"""Results on disk, under a digest of everything that they depend on."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rate_distortion.measurement import Measurement

Results = dict[tuple[int, str], Measurement]
"""by layout (see measurement.Curve) and setting"""
VERSION = 1
"""raised when what is measured under the same facts changes"""


def digest(facts: Mapping[str, object]) -> str:
    """SHA-256 of the facts, in hexadecimal."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def recalled(folder: Path, facts: Mapping[str, object], measure: Callable[[], Results]) -> Results:
    """What an earlier run measured under the same facts, or what `measure` gives now."""
    path = folder / f"{digest({**facts, 'version': VERSION})[:40]}.npz"
    if path.exists():
        return _read(path)
    results = measure()
    folder.mkdir(parents=True, exist_ok=True)
    staging = path.with_name(f".{path.name}.{os.getpid()}")
    with staging.open("wb") as file:
        arrays: dict[str, Any] = {
            f"{layout}|{setting}|{field}": part
            for (layout, setting), found in results.items()
            for field, part in _parts(found)
        }
        np.savez_compressed(file, **arrays)
    staging.replace(path)
    return results


def _parts(found: Measurement) -> list[tuple[str, np.ndarray]]:
    arrays = {"stored": found.stored, "payload": found.payload, "errors": found.errors}
    return [*arrays.items(), ("model", np.array(found.model))]


def _read(path: Path) -> Results:
    with np.load(path, allow_pickle=False) as arrays:
        names = dict.fromkeys(key.rpartition("|")[0] for key in arrays)
        return {_key(name): _whole(arrays, name) for name in names}


def _key(name: str) -> tuple[int, str]:
    layout, _, setting = name.partition("|")
    return int(layout), setting


def _whole(arrays: Mapping[str, np.ndarray], name: str) -> Measurement:
    stored, payload, errors = (arrays[f"{name}|{f}"] for f in ("stored", "payload", "errors"))
    return Measurement(stored, payload, errors, int(arrays[f"{name}|model"]))
