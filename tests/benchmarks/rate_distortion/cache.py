"""Results on disk, under a digest of everything that they depend on."""

import hashlib
import io
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from codec.atomic import write_file
from rate_distortion.measurement import Layout, Measurement

# By layout and setting.
Results = dict[tuple[Layout, str], Measurement]
# Raised when what is measured under the same facts changes.
VERSION = 2


@dataclass(frozen=True, slots=True, eq=False)
class Timed:
    """Results, the processor seconds that measuring them took, and whether an earlier run did."""

    results: Results
    seconds: float
    recalled: bool


def digest(facts: Mapping[str, object]) -> str:
    """SHA-256 of the facts, in hexadecimal."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def recalled(folder: Path, facts: Mapping[str, object], measure: Callable[[], Results]) -> Timed:
    """What an earlier run measured under the same facts, or what `measure` gives now."""
    path = folder / f"{digest({**facts, 'version': VERSION})[:40]}.npz"
    if path.exists():
        return _read(path)
    start = time.process_time()
    results = measure()
    found = Timed(results, time.process_time() - start, recalled=False)
    _write(path, found)
    return found


def _write(path: Path, found: Timed) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {
        f"{layout}|{setting}|{field}": part
        for (layout, setting), one in found.results.items()
        for field, part in _parts(one)
    }
    file = io.BytesIO()
    np.savez_compressed(file, seconds=np.array(found.seconds), **arrays)
    write_file(path, file.getvalue())


def _parts(found: Measurement) -> list[tuple[str, np.ndarray]]:
    arrays = {"stored": found.stored, "payload": found.payload, "errors": found.errors}
    return [*arrays.items(), ("model", np.array(found.model))]


def _read(path: Path) -> Timed:
    with np.load(path, allow_pickle=False) as arrays:
        names = dict.fromkeys(key.rpartition("|")[0] for key in arrays if "|" in key)
        results = {_key(name): _whole(arrays, name) for name in names}
        return Timed(results, float(arrays["seconds"]), recalled=True)


def _key(name: str) -> tuple[Layout, str]:
    layout, _, setting = name.partition("|")
    return next(known for known in get_args(Layout) if known == layout), setting


def _whole(arrays: Mapping[str, np.ndarray], name: str) -> Measurement:
    stored, payload, errors = (arrays[f"{name}|{f}"] for f in ("stored", "payload", "errors"))
    return Measurement(stored, payload, errors, int(arrays[f"{name}|model"]))
