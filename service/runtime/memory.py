"""The memory of decoded images, shared out among all calls: a small file can hold a large image.

A call takes the memory that it needs before it decodes anything, and waits until there is enough.
Calls get it in the order in which they came, so that large images are not starved by small ones.
"""

import ctypes
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from typing import final

from codec.errors import Overloaded
from service.runtime.batching import STILL_WANTED

MIB = 2**20
# Calls with less than this do not wait behind large ones, and are not counted.
SMALL = MIB
# A call waits for at most half of its remaining time, and never longer than this, seconds.
_PATIENCE = 60.0
# Calls that wait keep a thread and their message; further ones are rejected.
_MOST_WAITING = 32
# Freed blocks of more than this go back to the system at once. By default glibc keeps them, for
# each thread that had some: three times the memory of sixteen large images, one after the other.
_LARGE_BLOCK = 8 * MIB
_M_MMAP_THRESHOLD = -3  # of malloc.h


def return_large_blocks() -> None:
    """Makes this process return large blocks of memory when they are freed; glibc only."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK)


@final
class MemoryBudget:
    """`limit` bytes for all calls together; a call that needs more has them to itself."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()

    def in_use(self) -> int:
        """Bytes that calls in progress have taken."""
        return self._used

    def waiting(self) -> int:
        """Number of calls that wait for memory."""
        return len(self._waiting)

    @contextmanager
    def hold(self, size: int, seconds_left: float) -> Iterator[None]:
        """Takes `size` bytes for a block, as soon as there is enough.

        Raises Overloaded if that is too late for a call with `seconds_left`, or if many calls wait
        already, and concurrent.futures.CancelledError if the caller has gone.
        """
        if size < SMALL:
            yield
            return
        self._take(size, min(seconds_left / 2.0, _PATIENCE))
        try:
            if not STILL_WANTED.get()():
                raise CancelledError
            yield
        finally:
            with self._changed:
                self._used -= size
                self._changed.notify_all()

    def _take(self, size: int, patience: float) -> None:
        turn = object()

        def ready() -> bool:
            fits = not self._used or self._used + size <= self._limit
            return fits and self._waiting[0] is turn

        with self._changed:
            if len(self._waiting) >= _MOST_WAITING:
                raise self._overloaded(size)
            self._waiting.append(turn)
            try:
                if not self._changed.wait_for(ready, patience):
                    raise self._overloaded(size)
                self._used += size
            finally:
                self._waiting.remove(turn)
                self._changed.notify_all()

    def _overloaded(self, size: int) -> Overloaded:
        return Overloaded(
            f"server busy: the images of this call take about {size // MIB} MiB, those of other "
            f"calls {self._used // MIB} MiB, limit {self._limit // MIB}; retry later"
        )
