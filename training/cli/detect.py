"""`residuum-train detect`: looks at the images, chooses what to train, and trains within a time.

First the autoencoder, as a run of any preset, then the segmenter. What was chosen and how many
steps each has is in the provenance of the run, so an interrupted one continues as it began.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from pathlib import Path
from shlex import quote

import torch
import tyro

from training.cli import session, signals
from training.cli.log_file import LoggedConsole
from training.cli.options import PROGRAM, DetectOptions, Options
from training.cli.plan import Plan, Report, new_plan, saved_plan
from training.cli.progress import print_plain
from training.data import datasets
from training.data.ahead import Resources, resources
from training.data.image_files import Images
from training.errors import UsageError
from training.segmenter import train as segmenter

NAME = "detect"


def run(arguments: Sequence[str]) -> int:
    """Runs the command with the words after `detect`; returns its exit status.

    Raises UsageError, TrainingError, OSError.
    """
    options = tyro.cli(DetectOptions, prog=f"{PROGRAM} {NAME}", args=arguments)
    if session.LOCAL_RANK in os.environ:
        raise UsageError(f"'{NAME}' trains in one process; start it without torchrun")
    console = LoggedConsole(options.out)
    report = functools.partial(print_plain, console)
    if options.threads:
        torch.set_num_threads(options.threads)
    available = resources(session.find_device(options.device), options.workers)
    plan = saved_plan(options) if options.resume else new_plan(options, available, report)
    chosen = Options(
        data=options.data,
        out=options.out,
        resume=options.resume,
        threads=options.threads,
        device=options.device,
        workers=options.workers,
        config=plan.config,
    )
    status = session.run(chosen, [NAME, *arguments], console=console, notes=plan.notes())
    if status == session.DONE and options.segmenter:
        status = _train_segmenter(options, plan, available, report)
    if status == session.DONE:
        for line in _next_commands(options):
            report(line)
    return status


def _next_commands(options: DetectOptions) -> list[str]:
    """The commands that make a bundle, and measure it or, without test images, use it."""
    run, data = options.out, quote(str(options.data))
    bundle, figures = (
        quote(str(run.with_name(f"{run.name}-{end}"))) for end in ("bundle", "report")
    )
    return [
        f"next: residuum-export {quote(str(run))} --calibrate {data} --out {bundle}",
        f"then: residuum-evaluate {bundle} --data {data} --out {figures}"
        if datasets.has_test_images(options.layout, options.data)
        else f"then: residuum score IMAGES --bundle {bundle}",
    ]


def _train_segmenter(
    options: DetectOptions, plan: Plan, available: Resources, report: Report
) -> int:
    training, held_out = datasets.training_and_validation(plan.config.data, options.data)
    steps = plan.segmenter_steps or _segmenter_steps(options.out, plan, training, available)
    if not steps:
        report("no time for a segmenter: the bundle will do without")
        return session.DONE
    with signals.stop_signals(report, kill_on_second=True) as received:
        finished = segmenter.train_segmenter(
            options.out,
            training,
            held_out,
            steps=steps,
            seed=plan.config.seed,
            available=available,
            log=report,
            should_stop=lambda: bool(received),
        )
    if not finished:
        report("interrupted and saved; continue with --resume")
    return session.DONE if finished else session.INTERRUPTED


def _segmenter_steps(run_folder: Path, plan: Plan, training: Images, available: Resources) -> int:
    """How many steps fit into the time of the plan; a resumed segmenter keeps its own number."""
    if plan.segmenter_seconds <= 0:
        return 0
    seconds = segmenter.measure(run_folder, training, available)
    return segmenter.steps_within(plan.segmenter_seconds, seconds)
