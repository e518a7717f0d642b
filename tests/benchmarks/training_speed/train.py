"""The training command, a bare loop and Pythae: images per second, two cores, one run.

    make bench-train

bare       forward, backward, step over float tensors in memory, with whatever variant of AdamW and
           memory layout is fastest here: the limit
residuum   `residuum-train` on a terminal: steps, random order, uint8 to float, averaged weights,
           clipping, live bar, log, checkpoints and pictures; validation is shown apart, since the
           others have none
pythae     its BaseTrainer with default settings (Adam, DataLoader, progress bar), in batches of the
           same size; once more in batches of 64, its default

All train the same network on the same images; each turn is a separate process. Imports, reading
the data, building the network and the checkpoint of a run that has not begun are outside the time.
The contestants take turns for several rounds; medians and their ratios count. Ends with status 1
below a bar.
"""

from __future__ import annotations

import itertools
import json
import os
import pty
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from training.data.datasets import IMAGES, find_idx
from training.data.idx import read_idx

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).parent
CORES = 2
TRIAL_STEPS = 40
# Least ratio of our images per second, validation apart, to those of batches of the same size.
BARS = {"bare": 0.9, "pythae": 1.3}
# Functions of ours with a clock.
PARTS = {"checkpoints": "save", "pictures": "write_samples", "validation": "validate"}
Round = dict[str, dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to measure, and for how long."""

    data: Path = Path("../shared/data/mnist")
    """folder with the idx files of MNIST; without it images are drawn at random"""
    pythae: Path = Path("build/pythae")
    """folder into which pythae.txt was installed; without it Pythae is left out"""
    out: Path = Path("build/bench/train.json")
    preset: str = "reproduce/mnist/sigma-vae"
    images: int = 30_000
    epochs: int = 1
    rounds: int = 4


def write_images(options: Options, folder: Path) -> str:
    """Put the first images of MNIST into `folder` as an idx file; returns what they are."""
    path = find_idx(options.data, IMAGES["train"]) if options.data.is_dir() else None
    if path is None:
        rng = np.random.default_rng(0)
        array = rng.integers(0, 256, (options.images, 28, 28), dtype=np.uint8)
    else:
        array = read_idx(path)[: options.images]
    header = b"\0\0\x08\x03" + struct.pack(">3I", *array.shape)
    (folder / IMAGES["train"]).write_bytes(header + array.tobytes())
    return f"{len(array):,} images of MNIST" if path else f"{len(array):,} random images"


class Contest:
    """Runs contestants, each in a separate process and terminal."""

    def __init__(self, options: Options, folder: Path) -> None:
        self._options, self._folder = options, folder

    def run(self, name: str, **more: Any) -> dict[str, Any]:
        """What the script of a contestant found."""
        options, result = self._options, self._folder / "result.json"
        asked = {"preset": options.preset, "data": self._folder, "result": result}
        asked |= {"epochs": options.epochs} | more
        flags = [f"--{key.replace('_', '-')}={value}" for key, value in asked.items()]
        paths = [ROOT, options.pythae.resolve()] if name == "pythae" else [ROOT]
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "OMP_NUM_THREADS": str(CORES),
            "TERM": "xterm-256color",
        }
        command = [sys.executable, str(HERE / f"train_{name}.py"), *flags]
        status, said = on_terminal(command, environment)
        if status:
            sys.exit(f"{name} ended with status {status}:\n{said[-3000:]}")
        found: dict[str, Any] = json.loads(result.read_text())
        return found


def on_terminal(command: list[str], environment: Mapping[str, str]) -> tuple[int, str]:
    """(exit status, all that a command said) on a terminal of 100 columns."""
    terminal, end = pty.openpty()
    termios.tcsetwinsize(end, (30, 100))
    said = b""
    with subprocess.Popen(command, stdout=end, stderr=end, env=environment) as process:
        os.close(end)
        try:
            while piece := os.read(terminal, 65536):
                said += piece
        except OSError:  # the way of Linux to say that nobody holds the other end
            pass
    os.close(terminal)
    return process.returncode, said.decode(errors="replace")


def fastest_bare(contest: Contest) -> dict[str, Any]:
    """The variant of the bare loop that wins a short trial."""
    choices = itertools.product(("fused", "foreach"), ("channels_last", "contiguous_format"))
    variants = [{"optimizer": optimizer, "layout": layout} for optimizer, layout in choices]
    return min(variants, key=lambda v: contest.run("bare", steps=TRIAL_STEPS, **v)["seconds"])


def measure(contest: Contest, variant: dict[str, Any], options: Options) -> list[Round]:
    """What each contestant found in each round."""
    runs: dict[str, dict[str, Any]] = {"bare": variant, "residuum": {}}
    if (options.pythae / "pythae").is_dir():
        runs |= {"pythae": {}, "pythae, batches of 64": {"batch_size": 64}}
    return [
        {name: contest.run(name.split(",")[0], **more) for name, more in runs.items()}
        for _ in range(options.rounds)
    ]


def rates(rounds: list[Round]) -> dict[str, list[float]]:
    """Images per second in each round."""
    found = {
        name: [one[name]["images"] / one[name]["seconds"] for one in rounds]
        for name in rounds[0]
        if name != "residuum"
    }
    ours = [one["residuum"] for one in rounds]
    times = [run["seconds"] for run in ours]
    return {
        "bare": found.pop("bare"),
        "residuum": [
            run["images"] / (t["train"] - t["validate"]) for run, t in zip(ours, times, strict=True)
        ],
        "with validation": [run["images"] / t["train"] for run, t in zip(ours, times, strict=True)],
        **found,
    }


def shares(rounds: list[Round]) -> dict[str, float]:
    """Median parts of the time of our command."""
    times = [one["residuum"]["seconds"] for one in rounds]
    return {
        part: statistics.median(seconds[name] / seconds["train"] for seconds in times)
        for part, name in PARTS.items()
    }


def main() -> int:
    """Entry point; 1 where a bar is missed."""
    options = tyro.cli(Options)
    console = Console()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.out.parent) as folder:
        contest = Contest(options, Path(folder).resolve())
        facts: dict[str, Any] = {"preset": options.preset, "epochs": options.epochs}
        facts["data"] = write_images(options, Path(folder))
        facts["bare"] = fastest_bare(contest)
        rounds = measure(contest, facts["bare"], options)
    if "pythae" not in rounds[0]:
        console.print(f"Pythae is not installed in {options.pythae}; it was left out.")
    facts |= {"images_per_second": rates(rounds), "shares": shares(rounds), "rounds": rounds}
    return report(console, facts, options.out)


def report(console: Console, facts: dict[str, Any], out: Path) -> int:
    """Print the table, judge, write the file."""
    found = facts["images_per_second"]
    medians = {name: statistics.median(values) for name, values in found.items()}
    table = Table(title=f"{facts['preset']}, {facts['data']}, images per second")
    for column in ("what", "minimum", "median", "maximum", "ratio to bare"):
        table.add_column(column, justify="right")
    for name, values in found.items():
        figures = [f"{v:,.0f}" for v in (min(values), medians[name], max(values))]
        table.add_row(name, *figures, f"{medians[name] / medians['bare']:.3f}")
    console.print(table)
    parts = ", ".join(f"{part} {share:.1%}" for part, share in facts["shares"].items())
    console.print(f"parts of our time: {parts}; bare: {', '.join(facts['bare'].values())}")
    ratios = {name: medians["residuum"] / medians[name] for name in BARS if name in medians}
    missed = [name for name, ratio in ratios.items() if ratio < BARS[name]]
    for name, ratio in ratios.items():
        verdict = "missed" if name in missed else "met"
        console.print(f"residuum / {name} {ratio:.3f}, at least {BARS[name]} expected: {verdict}")
    facts |= {"medians": medians, "ratios": ratios, "bars": BARS, "missed": missed}
    out.write_text(json.dumps(facts, indent=1) + "\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
