"""`residuum-train` as typed on a terminal, with a clock at the functions that it is made of."""

from __future__ import annotations

import functools
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import tyro

from training import __main__ as command
from training.cli import progress, session
from training.loop import loop
from training.presets import PRESETS
from training.run import checkpoint

Span = tuple[float, float]
# Averaging and clipping, the defaults of our own presets, are inside the time.
OVERRIDES = {"ema-decay": 0.999, "grad-clip": 1.0}


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to run."""

    preset: str
    data: Path
    result: Path
    epochs: int = 1


def clocked(module: ModuleType, name: str, spans: dict[str, list[Span]]) -> None:
    """From now on `spans[name]` gets (start, end) of each call of a function of `module`."""
    function: Callable[..., Any] = getattr(module, name)
    spans[name] = []

    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        start = time.perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            spans[name].append((start, time.perf_counter()))

    setattr(module, name, call)


def totals(spans: dict[str, list[Span]]) -> dict[str, float]:
    """Seconds in each function from when training began: without the checkpoint of a new run."""
    began = spans["train"][0][0]
    return {
        name: sum(end - start for start, end in calls if start >= began)
        for name, calls in spans.items()
    }


def main() -> None:
    """Entry point."""
    options = tyro.cli(Options)
    spans: dict[str, list[Span]] = {}
    clocked(session, "train", spans)
    clocked(loop, "validate", spans)
    clocked(checkpoint, "save", spans)
    clocked(progress, "write_samples", spans)
    with tempfile.TemporaryDirectory(dir=options.result.parent) as folder:
        run = Path(folder) / "run"
        asked = {"data": options.data, "out": run, "epochs": options.epochs}
        arguments = [f"--{name}={value}" for name, value in (asked | OVERRIDES).items()]
        if status := command.main([options.preset, *arguments]):
            sys.exit(status)
        last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    images = last["steps"] * PRESETS[options.preset].batch_size
    options.result.write_text(json.dumps({"images": images, "seconds": totals(spans)}))


if __name__ == "__main__":
    main()
