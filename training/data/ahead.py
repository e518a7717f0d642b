"""Values that are computed before they are asked for, by processes or a thread."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import connection
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import torch

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

# Batches that are ready or in the making, for each process.
DEPTH = 2
MOST_WORKERS = 8


class Ahead(Generic[K, T]):
    """A pure function, computed for the keys that follow while the value of one is in use.

    `after` maps a key to the next one, or None at the end. `workers` processes compute; with 0, a
    thread of this one. Other keys than the expected ones may be asked for: they take longer.
    """

    def __init__(
        self, compute: Callable[[K], T], after: Callable[[K], K | None], workers: int
    ) -> None:
        self._after = after
        self._depth = DEPTH * workers if workers else 1
        self._pool, self._compute = _start(compute, workers)
        self._pending: dict[K, Future[T]] = {}

    def get(self, key: K) -> T:
        """The value of a key. What the function raises is raised here."""
        if key not in self._pending:
            self._drop()
            self._submit(key)
        wanted, following = self._pending.pop(key), self._after(key)
        for _ in range(self._depth):
            if following is None:
                break
            self._submit(following)
            following = self._after(following)
        return wanted.result()

    def _submit(self, key: K) -> None:
        if key not in self._pending:
            self._pending[key] = self._pool.submit(self._compute, key)

    def _drop(self) -> None:
        for future in self._pending.values():
            future.cancel()
        self._pending.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)


@dataclass(frozen=True, slots=True)
class Resources:
    """What a training uses: a device, and processes that prepare batches for it."""

    device: torch.device
    workers: int = 0


def resources(device: torch.device, workers: int | None) -> Resources:
    """A device with `workers` processes; None: as many as keep a GPU supplied, and none for a CPU.

    A CPU is busy with the training itself.
    """
    if workers is None:
        spare = len(os.sched_getaffinity(0)) - 1
        workers = min(MOST_WORKERS, spare) if device.type == "cuda" else 0
    return Resources(device, workers)


def _start(compute: Callable[[K], T], workers: int) -> tuple[Executor, Callable[[K], T]]:
    if not workers:
        return ThreadPoolExecutor(1), compute
    # A process that has used a GPU or threads cannot be forked.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["training.data.batches"])
    return ProcessPoolExecutor(workers, context, _keep, (compute,)), _compute


# The function of a worker process.
_kept: list[Callable[[Any], Any]] = []


def _keep(compute: Callable[[Any], Any]) -> None:
    _kept[:] = [compute]
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that trains
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _compute(key: Any) -> Any:
    return _kept[0](key)
