"""Micro-batching: rows of calls that arrive at about the same time share one graph run.

A row is one entry along the first axis of a graph's input: an image or a tile, or its latents.
Each graph has a queue and one worker thread. Jobs of callers that have gone are skipped. A batch
that fails is run again one job at a time, so that only the call with the faulty rows gets the
error. On a CPU, results are the same bytes whether rows run alone or batched.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import final

import numpy as np

from codec.arrays import Array
from codec.errors import BundleError, Overloaded
from codec.graphs.batches import batch_size

# Whether the client of the current call still waits for its response. A context variable, because
# the pipeline between the call and its batch does not know about calls.
STILL_WANTED: ContextVar[Callable[[], bool]] = ContextVar("still_wanted", default=lambda: True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Most rows per run, most rows in the queue, and the longest wait in the queue in seconds."""

    batch_rows: int
    window: float
    queue_rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchObserver:
    """Callbacks: rows of each run, rows in the queue after each change, calls in progress."""

    batch_rows: Callable[[int], None] = lambda _rows: None
    queue_rows: Callable[[int], None] = lambda _rows: None
    calls_in_progress: Callable[[], float] = lambda: float("inf")


@dataclass(slots=True, eq=False)
class _Job:
    rows: Array
    still_wanted: Callable[[], bool]
    reply: Future[tuple[Array, ...]] = field(default_factory=Future)
    arrived: float = field(default_factory=time.monotonic)

    def start(self) -> bool:
        """Whether the caller still waits for the reply; cancels the reply if not."""
        if not self.still_wanted():
            self.reply.cancel()
        return self.reply.set_running_or_notify_cancel()

    def fits(self, first: Array, free_rows: int) -> bool:
        """Whether this job can join a batch that starts with `first` and has `free_rows` left."""
        same_shape = self.rows.shape[1:] == first.shape[1:] and self.rows.dtype == first.dtype
        return same_shape and len(self.rows) <= free_rows


@final
class MicroBatcher:
    """Runs a function on the merged rows of its callers; `batcher(rows)` returns their results.

    `run` maps an array `[R, ...]` to arrays `[R, ...]`.
    """

    def __init__(
        self,
        run: Callable[[Array], tuple[Array, ...]],
        limits: Limits,
        observer: BatchObserver,
        name: str,
    ) -> None:
        self._run = run
        self._limits = limits
        self._observer = observer
        self._jobs: deque[_Job] = deque()
        self._queued_rows = 0
        self._open = True
        self._changed = threading.Condition()
        self._worker = threading.Thread(target=self._work, name=name, daemon=True)
        self._worker.start()

    def __call__(self, rows: Array) -> tuple[Array, ...]:
        """The outputs `[R, ...]` for `rows [R, ...]`.

        Raises Overloaded at once if the queue is full, concurrent.futures.CancelledError if the
        caller has gone, and whatever `run` raises for these rows.
        """
        job = _Job(rows, STILL_WANTED.get())
        if self._enqueue(job):
            return job.reply.result()
        # Closed: the model was unloaded or replaced, but this call still holds it and runs alone.
        return self._run_in_slices(rows)

    def close(self) -> None:
        """Finishes the queued jobs and ends the worker. Later calls run unbatched."""
        with self._changed:
            self._open = False
            self._changed.notify()
        self._worker.join()

    def _enqueue(self, job: _Job) -> bool:
        with self._changed:
            if self._open:
                self._check_queue(len(job.rows))
                self._jobs.append(job)
                self._change_queued(len(job.rows))
                self._changed.notify()
            return self._open

    def _check_queue(self, rows: int) -> None:
        queued, limit = self._queued_rows, self._limits.queue_rows
        if queued and queued + rows > limit:
            raise Overloaded(f"server busy: {queued} images queued, limit {limit}; retry later")

    def _change_queued(self, rows: int) -> None:
        self._queued_rows += rows
        self._observer.queue_rows(self._queued_rows)

    def _work(self) -> None:
        while batch := self._next_batch():
            self._answer(batch)

    def _next_batch(self) -> list[_Job]:
        """Waits until a batch is due and takes it; empty once closed with no jobs left."""
        with self._changed:
            while self._jobs or self._open:
                wait = self._seconds_until_due()
                if wait is None or wait > 0:
                    self._changed.wait(wait)
                elif batch := self._take():
                    return batch
            return []

    def _seconds_until_due(self) -> float | None:
        """None if no job waits; 0 if the batch is full or no other call could join it."""
        if not self._jobs:
            return None
        full = self._queued_rows >= self._limits.batch_rows
        no_others = len(self._jobs) >= self._observer.calls_in_progress()
        if full or no_others or not self._open:
            return 0.0
        return self._jobs[0].arrived + self._limits.window - time.monotonic()

    def _take(self) -> list[_Job]:
        """Takes the oldest job, and the later ones of the same shape that fit in its batch."""
        batch: list[_Job] = []
        left: deque[_Job] = deque()
        free_rows = 0
        for job in self._jobs:
            if batch and not job.fits(batch[0].rows, free_rows):
                left.append(job)
                continue
            self._change_queued(-len(job.rows))
            if job.start():
                free_rows = free_rows if batch else self._rows_per_run(job.rows)
                free_rows -= len(job.rows)
                batch.append(job)
        self._jobs = left
        return batch

    def _rows_per_run(self, rows: Array) -> int:
        return batch_size(math.prod(rows.shape[1:]), self._limits.batch_rows)

    def _answer(self, batch: list[_Job]) -> None:
        try:
            outputs = self._run_in_slices(
                batch[0].rows if len(batch) == 1 else np.concatenate([job.rows for job in batch])
            )
        except Exception as error:  # noqa: BLE001 - every error goes to the caller
            if len(batch) == 1:
                batch[0].reply.set_exception(error)
            else:
                for job in batch:
                    self._answer([job])
            return
        start = 0
        for job in batch:
            stop = start + len(job.rows)
            job.reply.set_result(tuple(output[start:stop] for output in outputs))
            start = stop

    def _run_in_slices(self, rows: Array) -> tuple[Array, ...]:
        size = self._rows_per_run(rows)
        slices = [self._run_once(rows[i : i + size]) for i in range(0, len(rows), size)]
        if len(slices) == 1:
            return slices[0]
        return tuple(np.concatenate(parts) for parts in zip(*slices, strict=True))

    def _run_once(self, rows: Array) -> tuple[Array, ...]:
        outputs = self._run(rows)
        for output in outputs:
            if len(output) != len(rows):
                raise BundleError(f"the graph returned {len(output)} rows, expected {len(rows)}")
        self._observer.batch_rows(len(rows))
        return outputs
