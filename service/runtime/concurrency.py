"""Limits of what is open at the same time: calls and streams."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import final

from service.status import Busy

# Until one of them ends, seconds; a guess.
_RETRY_SECONDS = 0.1


@final
class Concurrency:
    """At most `limit` blocks at a time; `noun` is what they are, in the plural.

    `observe` gets their number after each change.
    """

    def __init__(self, limit: int, noun: str, observe: Callable[[float], None]) -> None:
        self._limit = limit
        self._noun = noun
        self._observe = observe
        self._open = 0
        self._lock = threading.Lock()

    def count(self) -> int:
        """Number of blocks that are open."""
        return self._open

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Counts a block. Raises Busy if there are too many."""
        with self._lock:
            if self._open >= self._limit:
                raise Busy(
                    f"server busy: {self._open} {self._noun} open, limit {self._limit}; "
                    "retry later",
                    self._noun,
                    _RETRY_SECONDS,
                )
            self._open += 1
            self._observe(self._open)
        try:
            yield
        finally:
            with self._lock:
                self._open -= 1
                self._observe(self._open)
