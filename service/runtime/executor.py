"""The thread that computes: it takes slices of jobs from the queue, one after the other.

Whole calls are computed together, not only their graphs: reading files, quantisation and entropy
coding cost less for many images at once as well. Further cores are used by further processes.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import Any, final

from codec.errors import BundleError
from service.runtime.job_queue import JobQueue, Limits
from service.runtime.jobs import Job, Part, Slice
from service.status import Busy

_LOG = logging.getLogger(__name__)
# For how long the answer to whether there is an overload holds.
_ASK_SECONDS = 0.002


@dataclass(frozen=True, slots=True, kw_only=True)
class Observer:
    """Callbacks: each slice with the seconds that it took; images in the queue and the expected
    seconds until all are computed after each slice; and the number of calls in progress.
    """

    computed: Callable[[Slice, float], None] = lambda _slice, _seconds: None
    queued: Callable[[int, float], None] = lambda _images, _seconds: None
    calls_in_progress: Callable[[], float] = lambda: float("inf")


@final
class Executor:
    """Computes jobs of many callers in one thread."""

    def __init__(self, limits: Limits, observer: Observer) -> None:
        self._queue = JobQueue(limits)
        self._observer = observer
        self._open = True
        self._overload: Busy | None = None
        self._asked = 0.0
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="executor", daemon=True)
        self._thread.start()

    def run(self, job: Job) -> list[Any]:
        """The outcomes of a job's items, all of them unless it wants its first error only.

        Raises Busy at once if the job would be late, concurrent.futures.CancelledError if the
        caller has gone, and what the task raises for these items.
        """
        with self._changed:
            if not self._open:
                raise CancelledError
            idle = not self._queue.images
            self._queue.add(job)
            self._asked = 0.0  # the answer is another now
            # Otherwise the thread wakes when the window of the first job ends.
            if idle or self._due() == 0:
                self._changed.notify()
        return job.reply.result()

    def refuse_late(self, deadline: float) -> None:
        """Raises Busy if a job with this deadline would be late, however small it is."""
        with self._changed:
            self._queue.refuse_late(deadline)

    def overload(self) -> Busy | None:
        """Why a call with as much time as others would be refused, if so; 2 ms old at most."""
        now = time.monotonic()
        if now >= self._asked + _ASK_SECONDS:
            self._asked = now
            with self._changed:
                self._overload = self._queue.overload()
        return self._overload

    def seconds_computing(self) -> float:
        """For how long the present slice has been computed; 0 without one."""
        with self._changed:
            return self._queue.seconds_running()

    def close(self) -> None:
        """Ends the thread when the queue is empty. Later jobs are cancelled."""
        with self._changed:
            self._open = False
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        try:
            while taken := self._next_slice():
                self._compute(taken.parts)
                with self._changed:
                    seconds = self._queue.finish(taken)
                    queued, backlog = self._queue.images, self._queue.backlog()
                self._report(taken, seconds, queued, backlog)
        except BaseException:  # noqa: BLE001 - the process ends
            # Every call would wait for ever; the supervisor starts another process.
            _LOG.critical("the executor failed; the process ends", exc_info=True)
            os._exit(1)

    def _report(self, done: Slice, seconds: float, queued: int, backlog: float) -> None:
        """Updates the observer, whose errors concern nobody's images."""
        try:
            self._observer.queued(queued, backlog)
            self._observer.computed(done, seconds)
        except Exception:  # noqa: BLE001 - logged
            _LOG.exception("metrics could not be updated")

    def _next_slice(self) -> Slice | None:
        """Waits until a slice is due and takes it; None once closed with no jobs left."""
        with self._changed:
            while True:
                wait = self._due()
                if wait is None and not self._open:
                    return None
                if wait is None or (wait > 0 and self._open):
                    self._changed.wait(wait)
                elif taken := self._queue.next_slice():
                    return taken

    def _due(self) -> float | None:
        return self._queue.seconds_until_due(self._observer.calls_in_progress())

    def _compute(self, parts: list[Part]) -> None:
        """Gives each part its outcomes. If a slice fails, its parts are computed one by one."""
        try:
            outcomes = _outcomes(parts)
        except Exception as error:  # noqa: BLE001 - every error goes to the caller
            if len(parts) == 1:
                parts[0].job.fail(error)
            else:
                for part in parts:
                    self._compute([part])
            return
        start = 0
        for part in parts:
            stop = start + part.stop - part.start
            part.job.add(outcomes[start:stop])
            start = stop


def _outcomes(parts: list[Part]) -> Sequence[Any]:
    items = parts[0].items if len(parts) == 1 else [item for part in parts for item in part.items]
    outcomes = parts[0].job.task.run(items)
    if len(outcomes) != len(items):
        raise BundleError(f"the model gave {len(outcomes)} results, expected {len(items)}")
    return outcomes
