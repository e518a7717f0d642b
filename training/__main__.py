"""The command `residuum-train PRESET --data DIR --out RUN [--resume] [overrides]`."""

from __future__ import annotations

import dataclasses
import difflib
import importlib.metadata
import json
import platform
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
import tyro
from rich.console import Console

from training import checkpoint
from training.batches import make_batches
from training.config import TrainConfig, from_json, to_json
from training.data import Images, digest, training_and_validation
from training.errors import TrainingError
from training.loop import train
from training.presets import PRESETS, names
from training.progress import RunLog
from training.state import State, new_state, start

PROGRAM = "residuum-train"
INTERRUPTED = 130
USAGE = f"""usage: {PROGRAM} PRESET --data DIR --out RUN [--resume] [overrides]

PRESET is one of
{names()}

'{PROGRAM} PRESET --help' lists what can be overridden, with the values of the preset."""
PACKAGES = ("torch", "numpy", "safetensors", "Pillow")


@dataclass(frozen=True, kw_only=True)
class Options:
    """Where to read and write, and on what to compute."""

    data: Path
    """folder with the images"""
    out: Path
    """folder of the run, made if it does not exist"""
    resume: bool = False
    """go on with the run in --out, bit for bit"""
    threads: int = 0
    """CPU threads; 0 = torch's own choice"""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N"""
    config: Annotated[TrainConfig, tyro.conf.arg(name="")] = dataclasses.field(
        default_factory=TrainConfig
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 done, 1 failed, 2 wrong usage, 130 interrupted (and saved)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    console, errors = Console(), Console(stderr=True)
    if not arguments or arguments[0] in ("-h", "--help"):
        _say(console if arguments else errors, USAGE)
        return 0 if arguments else 2
    try:
        options = _parse(arguments)
    except TrainingError as error:
        _say(errors, f"{PROGRAM}: {error}")
        return 2
    try:
        return _run(options, arguments, console)
    except (TrainingError, OSError) as error:
        _say(errors, f"{PROGRAM}: {error}")
        return 1


def _say(console: Console, text: str) -> None:
    """Print plain words: no markup, no colours, no line breaks of rich."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _parse(arguments: list[str]) -> Options:
    preset, *rest = arguments
    if preset not in PRESETS:
        near = difflib.get_close_matches(preset, PRESETS, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise TrainingError(f"there is no preset '{preset}'; --help lists them{hint}")
    options = _overridden(preset, rest, PRESETS[preset])
    if not options.resume:
        return options
    saved = from_json(checkpoint.read(options.out / checkpoint.LAST).info["config"])
    options = _overridden(preset, rest, saved)
    if dataclasses.replace(options.config, epochs=saved.epochs) != saved:
        raise TrainingError("a resumed run keeps its configuration; only --epochs may be changed")
    return options


def _overridden(preset: str, arguments: list[str], config: TrainConfig) -> Options:
    default: Any = Options(data=tyro.MISSING, out=tyro.MISSING, config=config)
    options: Options = tyro.cli(
        Options, prog=f"{PROGRAM} {preset}", args=arguments, default=default
    )
    return options


def _run(options: Options, arguments: list[str], console: Console) -> int:
    if options.threads:
        torch.set_num_threads(options.threads)
    device, run = _device(options.device), options.out
    if not options.resume and run.exists() and any(run.iterdir()):
        raise TrainingError(f"{run} is not empty; use --resume or another --out")
    training, held_out = training_and_validation(
        options.config, options.data, lambda text: _say(console, text)
    )
    provenance = _provenance(arguments, training, held_out)
    state = _start(options, training, provenance, device)
    _say(
        console,
        f"{state.config.model.family}, {_parameters(state):,} parameters, on {device}: "
        f"{len(training)} training and {len(held_out)} validation images",
    )
    _prepare_folder(run, state.config, provenance)
    with _stop_on_signals(console) as stop, RunLog(console, run, held_out) as log:
        finished = train(
            state,
            make_batches(state.config, training),
            held_out,
            log=log,
            save=lambda state, best: checkpoint.save(run, state, provenance, best=best),
            should_stop=lambda: bool(stop),
        )
    if finished:
        _say(console, f"done: {run / checkpoint.BEST}")
        return 0
    _say(console, f"interrupted and saved in epoch {state.epoch + 1}; go on with --resume")
    return INTERRUPTED


def _start(
    options: Options, training: Images, provenance: dict[str, Any], device: torch.device
) -> State:
    if not options.resume:
        state = new_state(options.config, device)
        start(state, training)
        return state
    saved = checkpoint.read(options.out / checkpoint.LAST)
    if saved.info["provenance"]["data_sha256"] != provenance["data_sha256"]:
        raise TrainingError(
            f"the images in {options.data} are not those that the run in {options.out} began with"
        )
    return checkpoint.restore(saved, options.config, device)


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise TrainingError(f"device '{name}' cannot be used here") from error
    return device


def _provenance(arguments: list[str], training: Images, held_out: Images) -> dict[str, Any]:
    return {
        "command": [PROGRAM, *arguments],
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "data_sha256": digest(training),
        "training_images": len(training),
        "validation_images": len(held_out),
    }


def _prepare_folder(run: Path, config: TrainConfig, provenance: dict[str, Any]) -> None:
    run.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"config": to_json(config), "provenance": provenance}, indent=2)
    checkpoint.write_atomically(run / "config.json", text.encode())


def _parameters(state: State) -> int:
    return sum(parameter.numel() for parameter in state.model.parameters())


@contextmanager
def _stop_on_signals(console: Console) -> Iterator[list[int]]:
    """A list that gets the number of the first signal; the second one ends the process at once."""
    received: list[int] = []

    def note(number: int, _: object) -> None:
        received.append(number)
        signal.signal(number, signal.SIG_DFL)
        _say(console, "stopping after this step; once more to stop without saving")

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    sys.exit(main())
