"""What can be said on the command line of `residuum-train`, and what of it makes sense."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from training.config.run import TrainConfig, from_json, to_json
from training.errors import TrainingError
from training.presets.catalog import PRESETS
from training.run import checkpoint

PROGRAM = "residuum-train"


@dataclass(frozen=True, kw_only=True)
class Options:
    """Where to read and write, and on what to compute."""

    data: Path
    """folder with the images"""
    out: Path
    """folder of the run, made if it does not exist"""
    resume: bool = False
    """go on with the run in --out, bit for bit"""
    save_every: float = 60.0
    """seconds between checkpoints within an epoch, which is what a kill can lose; 0 = every step"""
    threads: int = 0
    """CPU threads; 0 = torch's own choice"""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N"""
    config: Annotated[TrainConfig, tyro.conf.arg(name="")] = dataclasses.field(
        default_factory=TrainConfig
    )


def parse(arguments: Sequence[str]) -> Options:
    """What PRESET and the words behind it ask for; TrainingError when they cannot be meant."""
    preset, *rest = arguments
    if preset not in PRESETS:
        near = difflib.get_close_matches(preset, PRESETS, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise TrainingError(f"there is no preset '{preset}'; --help lists them{hint}")
    options = _overridden(preset, rest, PRESETS[preset])
    if not options.resume:
        return options
    info = checkpoint.read(options.out / checkpoint.LAST).info
    began_with = info["provenance"].get("command", [PROGRAM, preset])[1]
    if preset != began_with:
        raise TrainingError(
            f"the run in {options.out} began with the preset '{began_with}', not '{preset}'"
        )
    saved = from_json(info["config"])
    options = _overridden(preset, rest, saved)
    if changed := sorted(differences(to_json(options.config), to_json(saved)) - {"epochs"}):
        raise TrainingError(
            "a resumed run keeps its configuration, of which only epochs may be changed; "
            f"different are {', '.join(changed)}"
        )
    return options


def differences(a: Mapping[str, Any], b: Mapping[str, Any], prefix: str = "") -> set[str]:
    """The dotted names of what differs in two configurations."""
    found = set()
    for name, value in a.items():
        if isinstance(value, dict):
            found |= differences(value, b[name], f"{prefix}{name}.")
        elif value != b[name]:
            found.add(prefix + name)
    return found


def _overridden(preset: str, arguments: Sequence[str], config: TrainConfig) -> Options:
    default: Any = Options(data=tyro.MISSING, out=tyro.MISSING, config=config)
    options: Options = tyro.cli(
        Options, prog=f"{PROGRAM} {preset}", args=arguments, default=default
    )
    return options
