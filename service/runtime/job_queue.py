"""The order of work: which jobs are accepted, and which of their items are computed next.

Earliest deadline first. Work is cut into slices of a few milliseconds, so that an urgent call
passes a large one; jobs with the same task share slices. A job is refused if it is not expected to
end in time, or if it would make another job late: the expected seconds are learned for each model,
method, kind of rate and size of image. Without such a check, a server at twice its capacity answers
almost every call too late.
"""

import bisect
import math
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import final

from service.runtime.costs import Costs
from service.runtime.jobs import PATIENCE, Job, Part, Slice
from service.status import Busy

# Estimates are rough, and a call also needs time before and after its computation.
_SAFETY_FACTOR = 1.25
_MARGIN_SECONDS = 0.005
# Longest slice, unless a single image takes longer. It bounds what an urgent call waits for.
_SLICE_SECONDS = 0.02
# Images in the first slice of a task of unknown cost.
_UNKNOWN_COST_IMAGES = 4
# Weight of the newest call in the means of calls; bounds of the times that they have left, seconds.
_NEWEST, _SHORTEST_LEFT, _LONGEST_LEFT = 0.05, 0.05, 60.0
# Most pixels of a slice, to bound its memory.
SLICE_PIXELS = 2**21


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Most images in a slice, most images in the queue, and the longest wait of an image for others
    to share its slice, in seconds.
    """

    slice_images: int
    queue_images: int
    window: float


@final
class JobQueue:
    """The jobs of one process; `clock` gives seconds. Not thread-safe."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._costs = Costs()
        # By urgency. A job leaves when its last item is taken.
        self._jobs: list[Job] = []
        self._running: Slice | None = None
        # Since when there is work without a pause: waits between slices count as cost.
        self._busy_since = 0.0
        # Mean of the logarithm of the time that calls have left when they come, seconds.
        self._log_left = math.log(_LONGEST_LEFT)
        # Mean of the expected seconds of jobs.
        self._mean_seconds = 0.0

    @property
    def images(self) -> int:
        """Number of images that wait."""
        return sum(job.items_left for job in self._jobs)

    def backlog(self) -> float:
        """Expected seconds until everything accepted is computed."""
        return self._running_seconds() + sum(map(self._seconds, self._jobs))

    def seconds_running(self) -> float:
        """For how long the running slice has been computed; 0 without one."""
        return self._clock() - self._running.started if self._running else 0.0

    def add(self, job: Job) -> None:
        """Accepts a job. Raises Busy; a job that finds no other is always accepted."""
        job.arrived = self._clock()
        if self._jobs or self._running:
            self._check_room(job)
            self._check_deadlines(job)
        else:
            self._busy_since = job.arrived
        bisect.insort(self._jobs, job, key=lambda one: one.urgency)

    def refuse_late(self, deadline: float) -> None:
        """Raises Busy if a job with this deadline would be late, however small it is."""
        now = self._clock()
        left = max(deadline - now, _SHORTEST_LEFT)
        self._log_left += _NEWEST * (math.log(min(left, _LONGEST_LEFT)) - self._log_left)
        if self._jobs or self._running:
            _, ahead = self._ahead(min(deadline, now + PATIENCE))
            self._refuse_late(ahead, 0.0, deadline - now)

    def overload(self) -> Busy | None:
        """Why a call would be refused that is like the recent ones in its size and its time."""
        try:
            if self._jobs:
                left = math.exp(self._log_left)
                _, ahead = self._ahead(self._clock() + min(left, PATIENCE))
                self._refuse_late(ahead, self._mean_seconds, left)
        except Busy as busy:
            return busy
        return None

    def seconds_until_due(self, calls_in_progress: float) -> float | None:
        """When the next slice should start; None without jobs.

        At once if a slice is full, or if none of the calls in progress could still join it.
        """
        if not self._jobs:
            return None
        if len(self._jobs) >= calls_in_progress or self.images >= self._limits.slice_images:
            return 0.0
        oldest = min(job.arrived for job in self._jobs)
        return max(0.0, oldest + self._limits.window - self._clock())

    def next_slice(self) -> Slice | None:
        """Takes the most urgent items; None if no job is left whose caller still waits."""
        self._drop_unwanted()
        if not self._jobs:
            return None
        now = self._clock()
        first = self._jobs[0]
        parts: list[Part] = []
        images = pixels = 0
        for job in self._jobs:
            if job.task.key != first.task.key:
                continue
            count = self._fitting(job, images, pixels)
            if count:
                job.started = min(job.started, now)
                part = job.take(count)
                parts.append(part)
                images, pixels = images + count, pixels + part.pixels
            if count == 0 or job.items_left:
                break
        self._jobs = [job for job in self._jobs if job.items_left]
        expected = self._costs.seconds(first.task.cost_key, images, pixels) or 0.0
        self._running = Slice(first.task, parts, images, pixels, now, expected)
        return self._running

    def finish(self, done: Slice) -> float:
        """Learns from a slice that was computed. Returns the seconds that it took."""
        now = self._clock()
        seconds = now - self._busy_since
        self._costs.learn(done.task.cost_key, done.images, done.pixels, seconds)
        self._running = None
        self._busy_since = now
        # A job that failed, or that ends with its first error, takes no further slices.
        self._jobs = [job for job in self._jobs if job.items_left]
        return now - done.started

    def _fitting(self, job: Job, images: int, pixels: int) -> int:
        """How many further items of a job fit into a slice with these images and pixels."""
        mean = max(1, job.pixels_left // job.items_left)
        seconds = self._costs.seconds(job.task.cost_key, 1, mean)
        most = min(self._limits.slice_images - images, (SLICE_PIXELS - pixels) // mean)
        if seconds is None:
            most = min(most, _UNKNOWN_COST_IMAGES - images)
        elif seconds > 0:
            most = min(most, int(_SLICE_SECONDS / seconds) - images)
        return max(0 if images else 1, min(most, job.items_left))

    def _drop_unwanted(self) -> None:
        for job in self._jobs:
            if not job.still_wanted():
                job.fail(CancelledError())
        self._jobs = [job for job in self._jobs if job.items_left]

    def _check_room(self, job: Job) -> None:
        queued, limit = self.images, self._limits.queue_images
        if queued and queued + job.items_left > limit:
            sentence = f"server busy: {queued} images queued, limit {limit}; retry later"
            raise Busy(sentence, "queue", self.backlog())

    def _check_deadlines(self, job: Job) -> None:
        """Raises Busy if the job would be late, or another because of it."""
        now, own = self._clock(), self._seconds(job)
        self._mean_seconds += _NEWEST * (own - self._mean_seconds)
        at, ahead = self._ahead(job.urgency)
        self._refuse_late(ahead, own, job.deadline - now)
        end = now + ahead
        for other in self._jobs[at:]:
            end += self._seconds(other)
            if end <= other.deadline < end + own:
                raise Busy("server busy: other calls would be late; retry later", "deadline", ahead)

    def _ahead(self, urgency: float) -> tuple[int, float]:
        """Number of jobs that are computed before a job of this urgency, and their seconds."""
        at = bisect.bisect_right(self._jobs, urgency, key=lambda one: one.urgency)
        return at, self._running_seconds() + sum(map(self._seconds, self._jobs[:at]))

    def _refuse_late(self, ahead: float, own: float, left: float) -> None:
        """Raises Busy if work of these seconds is not expected to end in the time that is left."""
        if (ahead + own) * _SAFETY_FACTOR + _MARGIN_SECONDS > left:
            raise Busy(
                f"server busy: about {ahead + own:.2f} s of work queued, deadline in {left:.2f} s; "
                "retry later",
                "deadline",
                ahead,
            )

    def _seconds(self, job: Job) -> float:
        if not job.items_left:
            return 0.0
        expected = self._costs.seconds(job.task.cost_key, job.items_left, job.pixels_left)
        return expected or 0.0

    def _running_seconds(self) -> float:
        """Expected seconds until the running slice ends."""
        if self._running is None:
            return 0.0
        return max(0.0, self._running.started + self._running.expected - self._clock())
