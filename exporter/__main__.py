"""residuum-export RUN --out BUNDLE --calibrate DIR."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from codec.errors import ResiduumError
from exporter.export import Options, export


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Turn a training run into a bundle that can be served."""

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """folder of the run"""
    out: Path
    """bundle to write: a folder, or a tar if it ends in .tar"""
    calibrate: Path
    """data folder; its held-out normal images calibrate the scores"""
    options: Annotated[Options, tyro.conf.arg(name="")] = field(default_factory=Options)


def main() -> int:
    """Entry point; exit status 0, 1 with one sentence on stderr, or 130 if interrupted."""
    command = tyro.cli(Command, prog="residuum-export")
    try:
        manifest = export(command.run, command.out, command.calibrate, command.options, print)
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
