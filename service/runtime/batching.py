"""Micro-batching: rows that several callers bring at about the same time share one graph run.

Each graph has a queue and one worker thread. A job carries its own reply, so whoever has gone away
is skipped and disturbs nobody; a batch that fails is run again one job at a time, so that only the
caller whose rows are at fault hears of it. On a CPU the answers are the same bytes alone and in
company.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
import numpy.typing as npt

from codec.errors import BundleError, Overloaded
from codec.pipeline import Graphs

Array = npt.NDArray[Any]
# Rows are merged up to this many elements, so that big images do not fill the memory together.
MAX_BATCH_ELEMENTS = 2**21

# Whether the caller of this context still waits for its answer; set while a call is answered, so
# that the pipeline between the call and its batch need not know of it.
STILL_WANTED: ContextVar[Callable[[], bool]] = ContextVar("still_wanted", default=lambda: True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`batch_rows` are merged, `queue_rows` wait, each for `window` seconds, all at most."""

    batch_rows: int
    window: float
    queue_rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Who is told of runs and of the queue, and who knows how many calls could still bring rows."""

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
        """Whether somebody still waits for the answer."""
        if not self.still_wanted():
            self.reply.cancel()
        return self.reply.set_running_or_notify_cancel()


@final
class MicroBatcher:
    """Calls `run` with the merged rows of its callers; `batcher(rows)` returns the caller's share.

    `run` maps an array `[R, ...]` to arrays `[R, ...]`. Raises Overloaded, at once, if the queue is
    full; concurrent.futures.CancelledError if the caller has gone; else whatever `run` raises for
    these rows.
    """

    def __init__(
        self, run: Callable[[Array], tuple[Array, ...]], limits: Limits, watch: Watch, name: str
    ) -> None:
        self._run = run
        self._limits = limits
        self._watch = watch
        self._jobs: deque[_Job] = deque()
        self._waiting_rows = 0
        self._open = True
        self._changed = threading.Condition()
        self._worker = threading.Thread(target=self._work, name=name, daemon=True)
        self._worker.start()

    def __call__(self, rows: Array) -> tuple[Array, ...]:
        """The share of `rows [R, ...]` in the outputs of a run."""
        job = _Job(rows, STILL_WANTED.get())
        if self._queue(job):
            return job.reply.result()
        # Closed: the model was unloaded or replaced. This call still holds it, and runs alone.
        return self._run_in_slices(rows)

    def close(self) -> None:
        """Answers what is queued and ends the worker."""
        with self._changed:
            self._open = False
            self._changed.notify()
        self._worker.join()

    def _queue(self, job: _Job) -> bool:
        with self._changed:
            if self._open:
                self._refuse_if_full(len(job.rows))
                self._jobs.append(job)
                self._count(len(job.rows))
                self._changed.notify()
            return self._open

    def _refuse_if_full(self, rows: int) -> None:
        waiting = self._waiting_rows
        if waiting and waiting + rows > self._limits.queue_rows:
            raise Overloaded(
                f"{waiting} images wait already, at most {self._limits.queue_rows} may; "
                "try again later"
            )

    def _count(self, rows: int) -> None:
        self._waiting_rows += rows
        self._watch.queue_rows(self._waiting_rows)

    def _work(self) -> None:
        while jobs := self._next_batch():
            self._answer(jobs)

    def _next_batch(self) -> list[_Job]:
        """Waits until a batch is due and takes it; empty once closed and done."""
        with self._changed:
            while self._jobs or self._open:
                wait = self._seconds_until_due()
                if wait is None or wait > 0:
                    self._changed.wait(wait)
                elif jobs := self._take():
                    return jobs
            return []

    def _seconds_until_due(self) -> float | None:
        """None: nothing waits. Nobody waits for company that is full, or that cannot come."""
        if not self._jobs:
            return None
        full = self._waiting_rows >= self._limits.batch_rows
        alone = len(self._jobs) >= self._watch.calls_in_progress()
        if full or alone or not self._open:
            return 0.0
        return self._jobs[0].arrived + self._limits.window - time.monotonic()

    def _take(self) -> list[_Job]:
        """Removes the oldest job and those of the same shape that fit beside it."""
        taken: list[_Job] = []
        left: deque[_Job] = deque()
        rows = 0
        for job in self._jobs:
            fits = not taken or (
                _same_shape(taken[0].rows, job.rows)
                and rows + len(job.rows) <= self._most(job.rows)
            )
            if not fits:
                left.append(job)
                continue
            self._count(-len(job.rows))
            if job.start():
                taken.append(job)
                rows += len(job.rows)
        self._jobs = left
        return taken

    def _most(self, rows: Array) -> int:
        """How many rows like these one run takes."""
        elements = max(1, math.prod(rows.shape[1:]))
        return max(1, min(self._limits.batch_rows, MAX_BATCH_ELEMENTS // elements))

    def _answer(self, jobs: list[_Job]) -> None:
        try:
            outputs = self._run_in_slices(
                jobs[0].rows if len(jobs) == 1 else np.concatenate([job.rows for job in jobs])
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the caller's to hear
            if len(jobs) == 1:
                jobs[0].reply.set_exception(error)
            else:
                for job in jobs:
                    self._answer([job])
            return
        start = 0
        for job in jobs:
            stop = start + len(job.rows)
            job.reply.set_result(tuple(output[start:stop] for output in outputs))
            start = stop

    def _run_in_slices(self, rows: Array) -> tuple[Array, ...]:
        """The outputs for all rows, never more than `_most` of them in one run."""
        most = self._most(rows)
        slices = [self._run_once(rows[i : i + most]) for i in range(0, len(rows), most)]
        if len(slices) == 1:
            return slices[0]
        return tuple(np.concatenate(parts) for parts in zip(*slices, strict=True))

    def _run_once(self, rows: Array) -> tuple[Array, ...]:
        outputs = self._run(rows)
        if any(len(output) != len(rows) for output in outputs):
            raise BundleError(f"the graph answered {len(rows)} rows with another number of rows")
        self._watch.batch_rows(len(rows))
        return outputs


def _same_shape(a: Array, b: Array) -> bool:
    return a.shape[1:] == b.shape[1:] and a.dtype == b.dtype


@final
class BatchedGraphs:
    """Two graphs behind a batcher each; itself a `codec.pipeline.Graphs`."""

    def __init__(self, graphs: Graphs, limits: Limits, encoder: Watch, decoder: Watch) -> None:
        self._encode = MicroBatcher(graphs.encode, limits, encoder, "encoder")
        self._decode = MicroBatcher(lambda z: (graphs.decode(z),), limits, decoder, "decoder")

    def encode(self, x: Array) -> tuple[Array, Array]:
        """As `Graphs.encode`; raises what MicroBatcher raises."""
        first, second = self._encode(x)
        return first, second

    def decode(self, latent: Array) -> Array:
        """As `Graphs.decode`; raises what MicroBatcher raises."""
        (x_hat,) = self._decode(latent)
        return x_hat

    def close(self) -> None:
        """Answers what is queued; later calls run unbatched."""
        self._encode.close()
        self._decode.close()
