"""The memory of messages and images, shared out among all calls.

A small file can hold a large image. What a call needs is known before anything is decoded: its
message and its response for as long as it is in progress, and work memory while one of its slices
is computed. Slices are computed one after the other, so the largest work memory counts once.
"""

import ctypes
import gc
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import final

from codec.errors import InvalidInput
from service.settings import MIB
from service.status import Busy

# Calls with less than this are not counted.
SMALL = MIB
# Freed blocks of more than this go back to the system at once. By default glibc keeps them, for
# each thread that had some: three times the memory of sixteen large images, one after the other.
_LARGE_BLOCK = MIB
_M_MMAP_THRESHOLD = -3  # of malloc.h
# How often memory is looked at, seconds; how much more than at least is given back, and after how
# many looks again if there was nothing to give.
_LOOK_SECONDS, _GROWTH, _LOOKS = 5.0, 24 * MIB, 4
# Until memory is free again, seconds; a guess.
_RETRY_SECONDS = 0.2


def return_large_blocks() -> None:
    """Makes this process return large blocks of memory when they are freed; glibc only."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK)


def freeze_memory() -> None:
    """Excludes what there is from garbage collection, after a last one.

    Models and modules stay for long. To visit all their objects again and again takes a twentieth
    of the CPU time of a call.
    """
    gc.unfreeze()  # models that were replaced have cycles
    gc.collect()
    gc.freeze()


def return_free_memory() -> None:
    """Gives memory that is not in use back to the system; glibc only."""
    freeze_memory()
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def resident_bytes() -> int:
    """The memory of this process; 0 where the system does not say."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


@final
class Housekeeping:
    """Gives memory back after it has grown, looking every few seconds."""

    def __init__(
        self,
        resident: Callable[[], int] = resident_bytes,
        give_back: Callable[[], None] = return_free_memory,
    ) -> None:
        self._resident = resident
        self._give_back = give_back
        self._least = resident()
        self._looks_off = 0

    def start(self) -> None:
        """Looks in a thread from now on."""
        threading.Thread(target=self._work, name="housekeeping", daemon=True).start()

    def look(self) -> None:
        """Gives memory back if there is much more than at least.

        What calls in progress use cannot be given back yet, so this happens more than once.
        """
        if self._looks_off:
            self._looks_off -= 1
            return
        before = self._resident()
        if before > self._least + _GROWTH:
            self._give_back()
            after = self._resident()
            self._least = min(self._least, after)
            self._looks_off = 0 if before - after > _GROWTH else _LOOKS - 1

    def _work(self) -> None:
        while True:
            time.sleep(_LOOK_SECONDS)
            self.look()


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes that a call keeps while it is in progress, and bytes to compute one of its slices."""

    kept: int
    work: int


@final
class MemoryBudget:
    """`limit` bytes for all calls of a process together.

    `observe` gets the bytes in use after each change.
    """

    def __init__(self, limit: int, observe: Callable[[float], None] = lambda _bytes: None) -> None:
        self._limit = limit
        self._observe = observe
        self._needs: dict[object, Need] = {}
        self._lock = threading.Lock()

    @contextmanager
    def hold(self, need: Need) -> Iterator[None]:
        """Counts a call for a block.

        Raises InvalidInput if the call needs more than there is, and Busy if it does not fit next
        to the calls in progress.
        """
        size = need.kept + need.work
        if size < SMALL:
            yield
            return
        if size > self._limit:
            raise InvalidInput(
                f"the call needs about {_mib(size)} MiB, expected at most {_mib(self._limit)} "
                "(max-decoded-mb of the server); send fewer or smaller images"
            )
        turn = object()
        with self._lock:
            used = _together(self._needs.values())
            if _together([*self._needs.values(), need]) > self._limit:
                raise Busy(
                    f"server busy: the call needs about {_mib(size)} MiB, other calls take "
                    f"{_mib(used)} MiB, limit {_mib(self._limit)}; retry later",
                    "memory",
                    _RETRY_SECONDS,
                )
            self._needs[turn] = need
            self._observe(_together(self._needs.values()))
        try:
            yield
        finally:
            with self._lock:
                del self._needs[turn]
                self._observe(_together(self._needs.values()))


def _together(needs: Iterable[Need]) -> int:
    listed = list(needs)
    return sum(need.kept for need in listed) + max((need.work for need in listed), default=0)


def _mib(size: int) -> int:
    return -(-size // MIB)
