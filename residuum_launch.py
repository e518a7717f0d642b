"""Entry points of the commands that need PyTorch, which may be missing and takes seconds to import.

A module outside the packages, since Python imports a whole package before any module in it.
"""

from __future__ import annotations

import importlib.util
import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

INTERRUPTED = 130


def train() -> int:
    """Runs `residuum-train` and returns its exit status."""
    with _importing("residuum-train"):
        from training.__main__ import main
    return main()


def evaluate() -> int:
    """Runs `residuum-evaluate` and returns its exit status."""
    with _importing("residuum-evaluate"):
        from training.evaluation.evaluate import main
    return main()


def export() -> int:
    """Runs `residuum-export` and returns its exit status."""
    with _importing("residuum-export"):
        from exporter.__main__ import main
    return main()


@contextmanager
def _importing(program: str) -> Iterator[None]:
    """Ends the process with one sentence on Ctrl-C, or if a library is missing."""

    def leave(*_: object) -> None:
        os.write(2, f"{program}: interrupted\n".encode())
        os._exit(INTERRUPTED)

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # names of files need not fit the terminal
    before = signal.getsignal(signal.SIGINT)
    # A shell starts commands in the background with SIGINT ignored, and they keep it so.
    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, leave)
    try:
        yield
    except ModuleNotFoundError as error:
        missing = error.name if importlib.util.find_spec("torch") else "PyTorch"
        raise SystemExit(
            f"{program} needs {missing}: pip install -c constraints.txt '.[export]'"
        ) from None
    finally:
        signal.signal(signal.SIGINT, before)
