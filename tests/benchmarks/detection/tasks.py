"""What is measured, each in a file that a second run finds: our recipe and the baselines."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codec.atomic import write_file
from detection import baselines, ours
from detection.ours import CommandFailed, Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Our recipe, or all baselines, on one set with one seed."""

    name: str
    folder: Path
    out: Path
    seed: int
    minutes: float | None
    """None: the baselines"""
    threads: int = 1

    @property
    def title(self) -> str:
        """For progress."""
        what = "baselines" if self.minutes is None else f"ours, {self.minutes:g} minutes"
        return f"{self.name}, seed {self.seed}: {what}"

    @property
    def place(self) -> Path:
        """The folder of the recipe; its name with .json is the file of the figures."""
        kind = "baselines" if self.minutes is None else f"ours-{self.minutes:g}-minutes"
        return self.out / kind / f"{self.name}-seed{self.seed}"


def done(task: Task) -> dict[str, Any] | None:
    """The figures of a task that was measured before."""
    path = task.place.with_suffix(".json")
    found: dict[str, Any] | None = json.loads(path.read_text()) if path.exists() else None
    return found


def run(task: Task) -> str:
    """Measures a task that was not measured before; returns what went wrong, or nothing."""
    if done(task) is not None:
        return ""
    if task.minutes is None:
        found: dict[str, Any] = {
            "methods": baselines.measure(task.folder, task.seed),
            "shortcuts": baselines.shortcuts(task.folder),
        }
    else:
        recipe = Recipe(
            data=task.folder,
            out=task.place,
            minutes=task.minutes,
            seed=task.seed,
            threads=task.threads,
        )
        try:
            found = ours.measure(recipe)
        except CommandFailed as error:
            return f"{task.title}: {error}"
    task.place.parent.mkdir(parents=True, exist_ok=True)
    write_file(task.place.with_suffix(".json"), json.dumps(found, indent=1).encode())
    return ""
