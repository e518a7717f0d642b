"""The commands `residuum-train detect` and `residuum-train PRESET`, each with --data and --out."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from rich.console import Console

from codec.errors import ResiduumError
from training.cli import detect, session
from training.cli.options import PROGRAM, parse
from training.cli.progress import print_plain
from training.errors import UsageError
from training.presets.lookup import preset_names

FAILED, WRONG_USAGE = 1, 2
USAGE = f"""usage: {PROGRAM} detect --data DIR --out RUN [--minutes 30]   an anomaly detector
       {PROGRAM} PRESET --data DIR --out RUN [--resume] [overrides]
       torchrun --nproc-per-node N -m training PRESET ...     N processes, one GPU each

PRESET is one of
{preset_names()}

'{PROGRAM} PRESET --help' lists what can be overridden, with the values of the preset."""
# Set by torchrun.
RANK = "RANK"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command.

    Returns the exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted and saved.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    console, errors = Console(), Console(stderr=True)
    if not arguments or arguments[0] in ("-h", "--help"):
        for line in USAGE.splitlines():
            print_plain(console if arguments else errors, line)
        return 0 if arguments else WRONG_USAGE
    rank = os.environ.get(RANK, "0")
    name = PROGRAM if rank == "0" else f"{PROGRAM} (process {rank})"
    try:
        if arguments[0] == detect.NAME:
            return detect.run(arguments[1:])
        return session.run(parse(arguments), arguments)
    except (ResiduumError, OSError) as error:
        print_plain(errors, f"{name}: {error}")
        return WRONG_USAGE if isinstance(error, UsageError) else FAILED
    except KeyboardInterrupt:
        print_plain(errors, f"{name}: interrupted")
        return session.INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
