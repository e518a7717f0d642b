"""`residuum-train detect`: looks at the images, chooses what to train, and trains within a time.

First the autoencoder, as a run of any preset, then the comparator. What was chosen and how many
steps each has is in the provenance of the run, so an interrupted one continues as it began.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro

from codec.graphs.protocol import MAX_THREADS
from training.cli import session, signals
from training.cli.log_file import LoggedConsole
from training.cli.options import PROGRAM, Options
from training.cli.progress import print_plain
from training.comparator import train as comparator
from training.config.run import DataConfig, LayoutName, Precision, TrainConfig, from_json
from training.data import datasets
from training.data.image_files import Images
from training.detect import choose, look, sentences
from training.detect.budget import fastest, precisions
from training.errors import TrainingError, UsageError
from training.run import checkpoint
from training.run.files import LAST

NAME = "detect"
# The parts of the time for the autoencoder and for the comparator; the rest is for reading.
AUTOENCODER, COMPARATOR = 0.3, 0.65
# Steps of a run that has no time to train: it has the network that follows from the images.
LEAST_STEPS = 10

Report = Callable[[str], None]


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
    comparator: bool = True
    """train the comparator too, which compares images with their reconstructions"""
    resume: bool = False
    """continue the run in --out, with what was chosen when it began"""
    seed: int = 0
    layout: LayoutName = "auto"
    """how image files are arranged under --data; auto recognises it or says what is missing"""
    threads: int = 0
    """CPU threads; 0 = torch's default"""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N"""

    def __post_init__(self) -> None:
        if not 0 <= self.threads <= MAX_THREADS:
            raise UsageError(f"--threads is {self.threads}; expected 0 to {MAX_THREADS}")
        if not 0 <= self.minutes < float("inf"):
            raise UsageError(f"--minutes is {self.minutes}; expected 0 or more")
        for name in ("steps", "seed"):
            if getattr(self, name) < 0:
                raise UsageError(f"--{name} is {getattr(self, name)}; expected 0 or more")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is trained: it is kept in the provenance of the run."""

    config: TrainConfig
    comparator_seconds: float
    """time for the comparator, whose speed is measured when the autoencoder is done"""
    comparator_steps: int
    """0 = as many as fit into that time"""
    sentences: tuple[str, ...]


def run(arguments: Sequence[str]) -> int:
    """Runs the command with the words after `detect`; returns its exit status.

    Raises UsageError, TrainingError, OSError.
    """
    options = tyro.cli(DetectOptions, prog=f"{PROGRAM} {NAME}", args=arguments)
    console = LoggedConsole(options.out)
    report = functools.partial(print_plain, console)
    if options.threads:
        torch.set_num_threads(options.threads)
    device = session.find_device(options.device)
    plan = _saved_plan(options) if options.resume else _new_plan(options, device, report)
    chosen = Options(
        data=options.data,
        out=options.out,
        resume=options.resume,
        threads=options.threads,
        device=options.device,
        config=plan.config,
    )
    notes = {"detect": {**dataclasses.asdict(plan), "config": None}}
    status = session.run(chosen, [NAME, *arguments], console=console, notes=notes)
    if status == session.DONE and options.comparator:
        status = _train_comparator(options, plan, device, report)
    if status == session.DONE:
        report(f"next: residuum-export {options.out} --calibrate {options.data} --out BUNDLE")
    return status


def _new_plan(options: DetectOptions, device: torch.device, report: Report) -> Plan:
    session.check_folder(options.out, resume=False)
    report(f"reading {options.data}")
    read_as = DataConfig(channels=3, layout=options.layout)
    facts = look(datasets.images(read_as, options.data, report=report))
    first = choose(facts, steps=options.steps or 1000, seed=options.seed, layout=options.layout)
    said = sentences(facts, first)
    for sentence in said:
        report(sentence)
    seconds = 0.0 if options.steps else 60 * options.minutes
    steps, precision = options.steps, precisions(device)[-1]
    if not steps:
        steps, precision = _steps_within(AUTOENCODER * seconds, first, options, device, report)
    if steps < LEAST_STEPS:
        report(
            f"--minutes {options.minutes:g} is too short to train a network: only the detectors "
            "that residuum-export fits to the images will find anything"
        )
    config = choose(facts, steps=max(LEAST_STEPS, steps), seed=options.seed, layout=options.layout)
    return Plan(
        config=dataclasses.replace(config, precision=precision),
        comparator_seconds=COMPARATOR * seconds if steps >= LEAST_STEPS else 0.0,
        comparator_steps=options.steps,
        sentences=tuple(said),
    )


def _steps_within(
    seconds: float,
    config: TrainConfig,
    options: DetectOptions,
    device: torch.device,
    report: Report,
) -> tuple[int, Precision]:
    """The steps of the autoencoder that fit into a time, and in which precision: measured."""
    if seconds <= 0:
        return 0, config.precision
    report("measuring the speed of training")
    training, held_out = datasets.training_and_validation(config.data, options.data)
    fast, speed = fastest(config, training, held_out, device)
    steps = speed.steps_within(seconds)
    bf16 = " in bfloat16" if fast.precision == "bf16" else ""
    report(
        f"{1 / speed.step:.1f} steps a second{bf16}: {steps} steps in {seconds / 60:.1f} minutes"
    )
    return steps, fast.precision


def _saved_plan(options: DetectOptions) -> Plan:
    path = options.out / LAST
    if not path.exists():
        raise TrainingError(f"{options.out} holds no run to resume")
    info = checkpoint.read(path).info
    notes: dict[str, Any] | None = info["provenance"].get("detect")
    if notes is None:
        raise UsageError(f"the run in {options.out} began with a preset, not with '{NAME}'")
    kept = {**notes, "sentences": tuple(notes["sentences"]), "config": from_json(info["config"])}
    return Plan(**kept)


def _train_comparator(
    options: DetectOptions, plan: Plan, device: torch.device, report: Report
) -> int:
    training, held_out = datasets.training_and_validation(plan.config.data, options.data)
    steps = plan.comparator_steps or _comparator_steps(options.out, plan, training, device)
    if not steps:
        report("no time for a comparator: the bundle will do without")
        return session.DONE
    with signals.stop_signals(report, kill_on_second=True) as received:
        finished = comparator.train_comparator(
            options.out,
            training,
            held_out,
            steps=steps,
            seed=plan.config.seed,
            device=device,
            log=report,
            should_stop=lambda: bool(received),
        )
    if not finished:
        report("interrupted and saved; continue with --resume")
    return session.DONE if finished else session.INTERRUPTED


def _comparator_steps(run_folder: Path, plan: Plan, training: Images, device: torch.device) -> int:
    """How many steps fit into the time of the plan; a resumed comparator keeps its own number."""
    if plan.comparator_seconds <= 0:
        return 0
    seconds = comparator.measure(run_folder, training, device=device)
    return comparator.steps_within(plan.comparator_seconds, seconds)
