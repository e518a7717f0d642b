"""Ctrl-C and SIGTERM as requests to stop after the current step."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def stop_signals(report: Callable[[str], None], *, kill_on_second: bool) -> Iterator[list[int]]:
    """A list to which SIGINT and SIGTERM append their numbers; the first one is reported.

    With `kill_on_second` a second signal ends the process at once. Under torchrun it must not:
    torchrun passes on a signal that the terminal has already sent to every process.
    """
    received: list[int] = []

    def handle(number: int, _: object) -> None:
        if not received:
            hint = "; once more to stop without saving" if kill_on_second else ""
            report(f"stopping after this step{hint}")
        received.append(number)
        if kill_on_second:
            signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
