"""Values that are computed before they are asked for, by processes or a thread."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection
from typing import Any, TypeVar

import torch

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

# Batches that are ready or in the making, for each process.
DEPTH = 2
MOST_WORKERS = 8


@contextmanager
def computed_ahead(
    compute: Callable[[K], T], after: Callable[[K], K | None], workers: int
) -> Iterator[Callable[[K], T]]:
    """A pure function whose next values are computed while the value of one key is in use.

    `after` maps a key to the next one, or None at the end. `workers` processes compute; with 0, a
    thread of this one. Other keys than the expected ones may be asked for: they take longer. What
    the function raises for a key is raised when that key is asked for.
    """
    depth = DEPTH * workers if workers else 1
    pool, submitted = _start(compute, workers)
    pending: dict[K, Future[T]] = {}

    def submit(key: K) -> None:
        if key not in pending:
            pending[key] = pool.submit(submitted, key)

    def get(key: K) -> T:
        if key not in pending:
            for future in pending.values():
                future.cancel()
            pending.clear()
        submit(key)
        wanted, following = pending.pop(key), after(key)
        for _ in range(depth):
            if following is None:
                break
            submit(following)
            following = after(following)
        return wanted.result()

    try:
        yield get
    finally:
        pool.shutdown(cancel_futures=True)


@dataclass(frozen=True, slots=True)
class Resources:
    """What a training uses: a device, and processes that prepare batches for it."""

    device: torch.device
    workers: int = 0


def resources(device: torch.device, workers: int | None, trainings: int = 1) -> Resources:
    """A device with `workers` processes; None: as many as keep a GPU supplied, and none for a CPU.

    A CPU is busy with the training itself. `trainings` processes that train share the cores.
    """
    if workers is None:
        spare = max(0, len(os.sched_getaffinity(0)) // trainings - 1)
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
