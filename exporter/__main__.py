"""The command `residuum-export RUN|BUNDLE --out BUNDLE --calibrate DIR`."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from codec.bundle.bundle import MANIFEST
from codec.errors import ResiduumError
from exporter.export import Options, export
from exporter.refit import refit


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


def is_bundle(path: Path) -> bool:
    """Whether a path is a bundle and not a run."""
    return path.suffix == ".tar" or (path / MANIFEST).exists()


def main() -> int:
    """Runs the command; exits with 0, with 1 and one line on stderr, or with 130 if interrupted."""
    command = tyro.cli(Command, prog="residuum-export")
    try:
        write = refit if is_bundle(command.run) else export
        manifest = write(command.run, command.out, command.calibrate, command.options, print)
    except (ResiduumError, OSError) as error:
        print(f"residuum-export: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("residuum-export: interrupted", file=sys.stderr)
        return 130
    size = sum(member.size for member in manifest.members.values())
    print(f"{command.out}: {manifest.name} {manifest.version}, {size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
