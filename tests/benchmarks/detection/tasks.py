"""What is measured, each in a file that a second run finds."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from codec.atomic import write_file
from detection import autoencoder, baselines, ours
from detection.ours import CommandFailed, Recipe

Kind = Literal["baselines", "autoencoder", "ours"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One kind of detector on one set with one seed."""

    kind: Kind
    """baselines: all that need no training"""
    name: str
    folder: Path
    out: Path
    seed: int
    minutes: float
    """of a training"""
    threads: int = 1

    @property
    def title(self) -> str:
        """For progress."""
        trained = "" if self.kind == "baselines" else f", {self.minutes:g} minutes"
        return f"{self.name}, seed {self.seed}: {self.kind}{trained}"

    @property
    def place(self) -> Path:
        """The folder of what is trained; its name with .json is the file of the figures."""
        trained = "" if self.kind == "baselines" else f"-{self.minutes:g}-minutes"
        return self.out / f"{self.kind}{trained}" / f"{self.name}-seed{self.seed}"


def done(task: Task) -> dict[str, Any] | None:
    """The figures of a task that was measured before."""
    path = _file(task)
    found: dict[str, Any] | None = json.loads(path.read_text()) if path.exists() else None
    return found


def _file(task: Task) -> Path:
    return task.place.with_name(f"{task.place.name}.json")


def run(task: Task) -> str:
    """Measures a task that was not measured before; returns what went wrong, or nothing."""
    if done(task) is not None:
        return ""
    try:
        found = _measure(task)
    except CommandFailed as error:
        return f"{task.title}: {error}"
    task.place.parent.mkdir(parents=True, exist_ok=True)
    write_file(_file(task), json.dumps(found, indent=1).encode())
    return ""


def _measure(task: Task) -> dict[str, Any]:
    data, out, threads = task.folder, task.place, task.threads
    if task.kind == "ours":
        return ours.measure(
            Recipe(data=data, out=out, minutes=task.minutes, seed=task.seed, threads=threads)
        )
    if task.kind == "autoencoder":
        return {"methods": autoencoder.measure(data, out, task.minutes, task.seed, threads)}
    return {
        "methods": baselines.measure(data, task.seed),
        "shortcuts": baselines.shortcuts(data),
    }
