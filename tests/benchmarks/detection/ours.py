"""Our recipe on a set, by the commands of a user: train, export, evaluate."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BIN = Path(sys.executable).parent
RATE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One training on one set."""

    data: Path
    out: Path
    """folder of the run, the bundle, the report and the logs"""
    minutes: float
    seed: int
    threads: int


class CommandFailed(Exception):
    """A command of the recipe ended with another status than 0."""


def commands(recipe: Recipe) -> dict[str, list[str]]:
    """The three commands by the folder that each writes."""
    data, out, threads = str(recipe.data), recipe.out, ("--threads", str(recipe.threads))
    run, bundle, report = (str(out / name) for name in ("run", "bundle", "report"))
    train = ["residuum-train", "detect", "--data", data, "--out", run]
    train += ["--minutes", f"{recipe.minutes:g}", "--seed", str(recipe.seed)]
    export = ["residuum-export", run, "--calibrate", data, "--out", bundle]
    evaluate = ["residuum-evaluate", bundle, "--data", data, "--out", report]
    evaluate += ["--limit-levels", "0", "--reference", "1"]
    return {
        "run": [*train, *threads],
        "bundle": [*export, *threads],
        "report": [*evaluate, *threads],
    }


def measure(recipe: Recipe) -> dict[str, Any]:
    """Runs what was not done before; returns figures of the report and the minutes of each step.

    A step that was interrupted begins again. Raises CommandFailed.
    """
    minutes = {}
    for folder, command in commands(recipe).items():
        done = recipe.out / f"{folder}-minutes.json"
        if not done.exists():
            shutil.rmtree(recipe.out / folder, ignore_errors=True)
            seconds = run_command(command, recipe.out / f"{folder}.log", recipe.threads)
            done.write_text(json.dumps(seconds / 60))
        minutes[folder] = json.loads(done.read_text())
    report = json.loads((recipe.out / "report" / "report.json").read_text())
    return {**figures(report), "minutes": minutes["run"], "export_minutes": minutes["bundle"]}


def run_command(command: Sequence[str], log: Path, threads: int) -> float:
    """The seconds that a command took; what it prints is in the log. Raises CommandFailed."""
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    start = time.perf_counter()
    with log.open("w") as file:
        print("$", *command, file=file, flush=True)
        status = subprocess.run(
            [BIN / command[0], *command[1:]], stdout=file, stderr=file, env=environment, check=False
        ).returncode
    if status:
        last = (log.read_text().strip().splitlines() or ["nothing printed"])[-1]
        raise CommandFailed(f"{command[0]} ended with status {status}: {last} (see {log})")
    return time.perf_counter() - start


def figures(report: dict[str, Any]) -> dict[str, Any]:
    """What the table shows of a bundle's report.json."""
    facts = report["detection"]
    verdicts = facts["verdicts"]
    at_rate = next((v for v in verdicts if abs(v["false_alarm_rate"] - RATE) < 1e-9), None)
    return {
        "image": facts["image_auroc"]["fused"],
        "pixel": facts["pixel_auroc"],
        "normal": facts["normal_images"],
        "defects": facts["defect_images"],
        "fused": facts["fused"],
        "default": _verdict(verdicts[0]),
        "at 0.05": at_rate and _verdict(at_rate),
    }


def _verdict(verdict: dict[str, Any]) -> dict[str, float]:
    names = {"rate": "false_alarm_rate", "alarms": "false_alarms", "found": "detections"}
    return {name: verdict[key] for name, key in names.items()}
