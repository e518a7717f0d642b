"""Ctrl-C and SIGTERM as a wish that the loop grants after its step."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def noted(said: Callable[[str], None], *, once: bool = True) -> Iterator[list[int]]:
    """A list that gets the numbers of the signals SIGINT and SIGTERM.

    With `once` the second signal ends the process. Without it does not: torchrun passes on what the
    terminal has sent already, and kills by itself what does not end in time.
    """
    received: list[int] = []

    def note(number: int, _: object) -> None:
        if not received:
            said("stopping after this step" + ("; once more to stop without saving" * once))
        received.append(number)
        if once:
            signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
