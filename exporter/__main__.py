"""The command `residuum-export RUN|BUNDLE --out BUNDLE --calibrate DIR`."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from codec.errors import ResiduumError, printable
from exporter.export import export
from exporter.options import Options
from exporter.refit import refit
from training.errors import UsageError
from training.run.files import is_run

FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Turn a training run into a bundle to serve, or fit an existing bundle to other images."""

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """folder of a run; or a bundle, which keeps its networks"""
    out: Path
    """bundle to write: a folder, or a tar file if the name ends in .tar"""
    calibrate: Path
    """data folder: tables are fitted to its training images, scores calibrated on held-out ones"""
    options: Annotated[Options, tyro.conf.arg(name="")] = field(default_factory=Options)


def main() -> int:
    """Runs the command.

    Returns the exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
    """
    try:
        command = tyro.cli(Command, prog="residuum-export")
        write = export if is_run(command.run) else refit
        manifest = write(command.run, command.out, command.calibrate, command.options, _say)
    except (ResiduumError, OSError) as error:
        print(printable(f"residuum-export: {error}"), file=sys.stderr)
        return WRONG_USAGE if isinstance(error, UsageError) else FAILED
    except KeyboardInterrupt:
        print("residuum-export: interrupted", file=sys.stderr)
        return INTERRUPTED
    size = sum(member.size for member in manifest.members.values())
    _say(f"{command.out}: model {manifest.name}, version {manifest.version}, {size / 1e6:.2f} MB")
    return 0


def _say(line: str) -> None:
    print(printable(line))


if __name__ == "__main__":
    sys.exit(main())
