"""What calls have to count, written for many calls at a time, which costs little more than for one.

Nothing is left while no call is in progress. Otherwise what is written is late by a tenth of a
second, or until the next call ends.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar, final

_LATE_SECONDS = 0.1

T = TypeVar("T")


@final
class Tally:
    """Facts that wait to be written; `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waiting: deque[tuple[Callable[[list[Any]], None], Any]] = deque()
        self._due = 0.0
        self._writing = threading.Lock()

    def add(self, write: Callable[[list[T]], None], fact: T) -> None:
        """Keeps a fact for `write`, which will get it with others."""
        self._waiting.append((write, fact))

    def write(self, calls_in_progress: float) -> None:
        """Writes what waits, unless calls are in progress and the last time was just now."""
        if calls_in_progress and self._clock() < self._due:
            return
        with self._writing:
            self._due = self._clock() + _LATE_SECONDS
            facts: dict[Callable[[list[Any]], None], list[Any]] = {}
            while self._waiting:
                write, fact = self._waiting.popleft()
                facts.setdefault(write, []).append(fact)
            for write, several in facts.items():
                write(several)
