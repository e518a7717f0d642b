"""One training run, from the options of the command to its exit status."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from rich.console import Console

from training.cli import signals
from training.cli.options import PROGRAM, Options
from training.cli.progress import RunLog, Silent, print_plain
from training.config.run import to_json
from training.data.ahead import resources
from training.data.batches import assembled_ahead, make_batches
from training.data.datasets import training_and_validation
from training.data.image_files import Images
from training.distributed import SINGLE_PROCESS, ProcessGroup, check_batch_size, join, leave
from training.errors import TrainingError
from training.loop.loop import train
from training.loop.schedule import early_stop
from training.run import checkpoint
from training.run.files import BEST, CONFIG, LAST, remove_temporary, write_atomically
from training.run.provenance import machine, provenance
from training.run.start import check_precision, compile_networks, init_from_images, new_state
from training.run.state import State

DONE, INTERRUPTED = 0, 130
# Set by torchrun.
LOCAL_RANK = "LOCAL_RANK"


def run(
    options: Options,
    arguments: list[str],
    *,
    console: Console | None = None,
    notes: Mapping[str, Any] = MappingProxyType({}),
) -> int:
    """Trains; returns the exit status. Raises TrainingError, OSError.

    `arguments` are the words of the command line and `notes` anything else for the provenance of
    the run.
    """
    if options.threads:
        torch.set_num_threads(options.threads)
    device = find_device(options.device)
    group = join(device) if LOCAL_RANK in os.environ else SINGLE_PROCESS
    try:
        console = console or Console(quiet=group.rank > 0)
        return _run(options, arguments, console, dict(notes), device, group)
    finally:
        leave()


def find_device(name: str) -> torch.device:
    """The device called `name`; under torchrun, the GPU of this process. Raises TrainingError."""
    if name in ("auto", "cuda") and torch.cuda.is_available():
        name = f"cuda:{os.environ.get(LOCAL_RANK, 0)}"
    try:
        device = torch.device("cpu" if name == "auto" else name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise TrainingError(f"device '{name}' cannot be used here") from error
    if device.type == "cuda":
        torch.cuda.set_device(device)
    return device


def _run(
    options: Options,
    arguments: list[str],
    console: Console,
    notes: dict[str, Any],
    device: torch.device,
    group: ProcessGroup,
) -> int:
    report = functools.partial(print_plain, console)
    check_batch_size(group, options.config.batch_size)
    check_precision(options.config, device)
    if group.rank == 0:
        check_folder(options.out, options.resume)
    training, held_out = training_and_validation(options.config.data, options.data, report)
    facts = provenance([PROGRAM, *arguments], training, held_out) | notes
    state = _start(options, training, facts, device, group)
    facts |= machine(state)
    if state.config.compile:
        compile_networks(state)
    parameters = sum(parameter.numel() for parameter in state.model.parameters())
    report(
        f"{state.config.model.family}, {parameters:,} parameters, on {device}: "
        f"{len(training)} training and {len(held_out)} validation images"
    )
    finished = _train(options, state, training, held_out, facts, console)
    if not finished:
        report(f"interrupted and saved in epoch {state.epoch + 1}; continue with --resume")
        return INTERRUPTED
    if reason := early_stop(state):
        report(f"stopped after epoch {state.epoch}: {reason}")
    report(f"done: {options.out / BEST}")
    return DONE


def check_folder(run: Path, resume: bool) -> None:
    """Checks that nothing is overwritten, and removes temporary files of a killed run.

    Raises TrainingError if the folder of a new run is not empty, or cannot be written.
    """
    there = next(path for path in (run, *run.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise TrainingError(f"cannot write {run}: {there} is not a writable folder")
    remove_temporary(run)
    if not resume and run.exists() and any(run.iterdir()):
        raise TrainingError(f"{run} is not empty; use --resume or another --out")


def _start(
    options: Options,
    training: Images,
    facts: dict[str, Any],
    device: torch.device,
    group: ProcessGroup,
) -> State:
    """The state of a new or a resumed run; `facts` keep the command that began it."""
    if not options.resume:
        state = new_state(options.config, device, group)
        init_from_images(state, training)
        return state
    saved = checkpoint.read(options.out / LAST)
    before = saved.info["provenance"]
    if before["data_sha256"] != facts["data_sha256"]:
        raise TrainingError(
            f"the images in {options.data} are not those that the run in {options.out} began with"
        )
    facts["resumed"] = [*before.get("resumed", []), facts["command"]]
    facts["command"] = before["command"]
    return checkpoint.resume(saved, options.config, device, group)


def _train(
    options: Options,
    state: State,
    training: Images,
    held_out: Images,
    facts: dict[str, Any],
    console: Console,
) -> bool:
    """Trains to the end, or until a signal: False if interrupted."""
    group, report = state.group, functools.partial(print_plain, console)
    first = group.rank == 0
    save = checkpoint.Saver(options.out, facts, options.save_every)
    every = make_batches(state.config, training, state.device, group)
    workers = resources(state.device, options.workers, group.size).workers
    with (
        signals.stop_signals(report, kill_on_second=group.size == 1) as received,
        RunLog(console, options.out, held_out) if first else nullcontext(Silent()) as log,
        assembled_ahead(every, workers) as batches,
    ):
        if first:
            _prepare_folder(options, state, facts, save)
        finished = train(
            state,
            batches,
            held_out,
            log=log,
            save=save,
            save_due=save.due,
            should_stop=lambda: bool(received),
        )
        group.wait()
    return finished


def _prepare_folder(
    options: Options, state: State, facts: dict[str, Any], save: checkpoint.Saver
) -> None:
    """Writes the first checkpoint and config.json: from here on the run can be resumed."""
    options.out.mkdir(parents=True, exist_ok=True)
    if not options.resume:
        save(state, False)
    text = json.dumps({"config": to_json(state.config), "provenance": facts}, indent=2)
    write_atomically(options.out / CONFIG, text.encode())
