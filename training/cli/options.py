"""The options of `residuum-train`."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from codec.graphs.protocol import MAX_THREADS
from training.config.run import LayoutName, TrainConfig, from_json, to_json
from training.errors import TrainingError, UsageError
from training.presets.lookup import PRESETS
from training.run import checkpoint
from training.run.files import LAST

PROGRAM = "residuum-train"


@dataclass(frozen=True, kw_only=True)
class Options:
    """Folders, device and configuration of a run."""

    data: Path
    """folder with the images, or a csv file that lists them"""
    out: Path
    """folder of the run, created if it does not exist"""
    resume: bool = False
    """continue the run in --out; the result is bit for bit that of an uninterrupted run"""
    save_every: float = 60.0
    """seconds between checkpoints within an epoch, the most a kill can lose; 0 = every step"""
    threads: int = 0
    """CPU threads; 0 = torch's default"""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N"""
    workers: int | None = None
    """processes that prepare batches; unset: none on a CPU, and up to 8 for a GPU"""
    config: Annotated[TrainConfig, tyro.conf.arg(name="")] = dataclasses.field(
        default_factory=TrainConfig
    )

    def __post_init__(self) -> None:
        _check_cpu(self.threads, self.workers)


@dataclass(frozen=True, kw_only=True)
class DetectOptions:
    """Train an anomaly detector on a folder of normal images, with nothing to tune."""

    data: Path
    """folder with the images, or a csv file that lists them"""
    out: Path
    """folder of the run, created if it does not exist"""
    minutes: float = 30.0
    """time for training; more gives a better detector"""
    steps: int = 0
    """steps of each network instead of a time: the same steps give the same weights"""
    segmenter: bool = True
    """train the segmenter too, which marks the pixels of defects"""
    resume: bool = False
    """continue the run in --out, with what was chosen when it began"""
    seed: int = 0
    layout: LayoutName = "auto"
    """how image files are arranged under --data; auto recognises it or says what is missing"""
    threads: int = 0
    """CPU threads; 0 = torch's default"""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N"""
    workers: int | None = None
    """processes that prepare batches; unset: none on a CPU, and up to 8 for a GPU"""

    def __post_init__(self) -> None:
        _check_cpu(self.threads, self.workers)
        if not 0 <= self.minutes < float("inf"):
            raise UsageError(f"--minutes is {self.minutes}; expected 0 or more")
        for name in ("steps", "seed"):
            if getattr(self, name) < 0:
                raise UsageError(f"--{name} is {getattr(self, name)}; expected 0 or more")


def parse(arguments: Sequence[str]) -> Options:
    """The options from PRESET and the overrides after it.

    Raises UsageError if they are invalid, TrainingError if the run to resume cannot be read.
    """
    preset, *rest = arguments
    if preset not in PRESETS:
        near = difflib.get_close_matches(preset, PRESETS, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise UsageError(f"unknown preset '{preset}'; --help lists them{hint}")
    options = _overridden(preset, rest, PRESETS[preset])
    if not options.resume:
        return options
    if not (options.out / LAST).exists():
        raise TrainingError(f"{options.out} holds no run to resume")
    info = checkpoint.read(options.out / LAST).info
    began_with = info["provenance"].get("command", [PROGRAM, preset])[1]
    if preset != began_with:
        raise UsageError(
            f"the run in {options.out} began with the preset '{began_with}', not '{preset}'"
        )
    saved = from_json(info["config"])
    options = _overridden(preset, rest, saved)
    if changed := sorted(differences(to_json(options.config), to_json(saved)) - {"epochs"}):
        raise UsageError(
            "a resumed run keeps its configuration, only epochs may change; "
            f"changed: {', '.join(changed)}"
        )
    return options


def _check_cpu(threads: int, workers: int | None) -> None:
    for name, value in (("threads", threads), ("workers", workers or 0)):
        if not 0 <= value <= MAX_THREADS:
            raise UsageError(f"--{name} is {value}; expected 0 to {MAX_THREADS}")


def differences(a: Mapping[str, Any], b: Mapping[str, Any], prefix: str = "") -> set[str]:
    """The dotted names of the values that differ between two configurations."""
    names = set()
    for name, value in a.items():
        if isinstance(value, dict):
            names |= differences(value, b[name], f"{prefix}{name}.")
        elif value != b[name]:
            names.add(prefix + name)
    return names


def _overridden(preset: str, arguments: Sequence[str], config: TrainConfig) -> Options:
    default: Any = Options(data=tyro.MISSING, out=tyro.MISSING, config=config)
    try:
        options: Options = tyro.cli(
            Options, prog=f"{PROGRAM} {preset}", args=arguments, default=default
        )
    except TrainingError as error:
        raise UsageError(str(error)) from error
    return options
