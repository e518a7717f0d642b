"""residuum-export RUN|BUNDLE --out BUNDLE --calibrate DIR."""

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
    """Turn a training run into a bundle that can be served, or fit a bundle to other images."""

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """folder of the run, or a bundle, whose networks stay as they are"""
    out: Path
    """bundle to write: a folder, or a tar if it ends in .tar"""
    calibrate: Path
    """data folder; its held-out normal images calibrate the scores"""
    options: Annotated[Options, tyro.conf.arg(name="")] = field(default_factory=Options)


def is_bundle(path: Path) -> bool:
    """Whether this is a bundle rather than a run."""
    return path.suffix == ".tar" or (path / MANIFEST).exists()


def main() -> int:
    """Entry point; exit status 0, 1 with one sentence on stderr, or 130 if interrupted."""
    command = tyro.cli(Command, prog="residuum-export")
    try:
        make = refit if is_bundle(command.run) else export
        manifest = make(command.run, command.out, command.calibrate, command.options, print)
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
