"""The command `residuum-train PRESET --data DIR --out RUN [--resume] [overrides]`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from training.cli import signals
from training.cli.options import PROGRAM, Options, parse
from training.cli.progress import RunLog, Silent
from training.config.run import to_json
from training.data.batches import make_batches
from training.data.datasets import Images, training_and_validation
from training.distributed import ALONE, World, check_batch_size, join, leave
from training.errors import TrainingError
from training.loop.loop import train
from training.loop.schedule import early_stop
from training.presets.catalog import names
from training.run import checkpoint
from training.run.provenance import machine, provenance
from training.run.state import State, check_precision, compile_networks, new_state, start

INTERRUPTED = 130
USAGE = f"""usage: {PROGRAM} PRESET --data DIR --out RUN [--resume] [overrides]
       torchrun --nproc-per-node N -m training PRESET ...     N processes, one GPU each

PRESET is one of
{names()}

'{PROGRAM} PRESET --help' lists what can be overridden, with the values of the preset."""
RANK, LOCAL_RANK = "RANK", "LOCAL_RANK"
"""set by torchrun"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 done, 1 failed, 2 wrong usage, 130 interrupted (and saved)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    console, errors = Console(), Console(stderr=True)
    if not arguments or arguments[0] in ("-h", "--help"):
        _say(console if arguments else errors, USAGE)
        return 0 if arguments else 2
    rank = os.environ.get(RANK, "0")
    who = PROGRAM if rank == "0" else f"{PROGRAM} (process {rank})"
    try:
        options = parse(arguments)
    except TrainingError as error:
        _say(errors, f"{who}: {error}")
        return 2
    try:
        return _run(options, arguments)
    except (TrainingError, OSError) as error:
        _say(errors, f"{who}: {error}")
        return 1
    except KeyboardInterrupt:
        _say(errors, f"{who}: interrupted")
        return INTERRUPTED


def _say(console: Console, text: str) -> None:
    """Print plain words: no markup, no colours, no line breaks of rich."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _run(options: Options, arguments: list[str]) -> int:
    if options.threads:
        torch.set_num_threads(options.threads)
    device = _device(options.device)
    world = join(device) if LOCAL_RANK in os.environ else ALONE
    try:
        return _train(options, arguments, device, world, Console(quiet=world.rank > 0))
    finally:
        leave()


def _train(
    options: Options, arguments: list[str], device: torch.device, world: World, console: Console
) -> int:
    run = options.out
    check_batch_size(world, options.config.batch_size)
    check_precision(options.config, device)
    if world.rank == 0:
        _check_folder(run, options.resume)
    training, held_out = training_and_validation(
        options.config.data, options.data, lambda text: _say(console, text)
    )
    facts = provenance([PROGRAM, *arguments], training, held_out)
    state = _start(options, training, facts, device, world)
    facts |= machine(state)
    if state.config.compile:
        compile_networks(state)
    _say(
        console,
        f"{state.config.model.family}, {_parameters(state):,} parameters, on {device}: "
        f"{len(training)} training and {len(held_out)} validation images",
    )
    save = checkpoint.Saver(run, facts, options.save_every)
    with (
        signals.noted(lambda text: _say(console, text), once=world.size == 1) as received,
        RunLog(console, run, held_out) if world.rank == 0 else nullcontext(Silent()) as log,
    ):
        if world.rank == 0:
            _prepare_folder(options, state, facts, save)
        finished = train(
            state,
            make_batches(state.config, training, device, world),
            held_out,
            log=log,
            save=save,
            save_due=save.due,
            should_stop=lambda: bool(received),
        )
        world.wait()
    if not finished:
        _say(console, f"interrupted and saved in epoch {state.epoch + 1}; go on with --resume")
        return INTERRUPTED
    if reason := early_stop(state):
        _say(console, f"stopped after epoch {state.epoch}: {reason}")
    _say(console, f"done: {run / checkpoint.BEST}")
    return 0


def _check_folder(run: Path, resume: bool) -> None:
    """Refuse to write into what is not this run; remove the remains of a kill."""
    checkpoint.remove_stale(run)
    if not resume and run.exists() and any(run.iterdir()):
        raise TrainingError(f"{run} is not empty; use --resume or another --out")


def _start(
    options: Options,
    training: Images,
    facts: dict[str, Any],
    device: torch.device,
    world: World,
) -> State:
    if not options.resume:
        state = new_state(options.config, device, world)
        start(state, training)
        return state
    saved = checkpoint.read(options.out / checkpoint.LAST)
    before = saved.info["provenance"]
    if before["data_sha256"] != facts["data_sha256"]:
        raise TrainingError(
            f"the images in {options.data} are not those that the run in {options.out} began with"
        )
    facts["resumed"] = [*before.get("resumed", []), facts["command"]]
    facts["command"] = before["command"]
    return checkpoint.restore(saved, options.config, device, world)


def _device(name: str) -> torch.device:
    """The device called `name`; of several processes each has its own GPU."""
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


def _prepare_folder(
    options: Options, state: State, facts: dict[str, Any], save: checkpoint.Saver
) -> None:
    """From now on the run can be resumed."""
    options.out.mkdir(parents=True, exist_ok=True)
    if not options.resume:
        save(state, False)
    text = json.dumps({"config": to_json(state.config), "provenance": facts}, indent=2)
    checkpoint.write_atomically(options.out / "config.json", text.encode())


def _parameters(state: State) -> int:
    return sum(parameter.numel() for parameter in state.model.parameters())


if __name__ == "__main__":
    sys.exit(main())
