"""How much is answered in time at a multiple of the capacity: the queue in simulated time.

A simulation is exact and the same each time: no thread, no clock of the machine.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from codec.errors import Overloaded
from service.runtime.job_queue import JobQueue, Limits
from service.runtime.jobs import Job, Task

# Images per second that the worker can compute, and seconds that a caller waits.
CAPACITY, DEADLINE = 1000.0, 0.25
SECONDS = 3.0
TASK = Task("encode", ("model", "1", "encode"), lambda items: items)


def arrivals(load: float, sizes: tuple[int, ...], seed: int = 0) -> list[tuple[float, int]]:
    """Times and images of calls: a Poisson process of `load` times the capacity."""
    rng = np.random.default_rng(seed)
    rate = load * CAPACITY / np.mean(sizes)
    times = np.cumsum(rng.exponential(1 / rate, int(1.2 * rate * SECONDS) + 100))
    images = rng.choice(sizes, len(times)).tolist()
    return [(time, n) for time, n in zip(times.tolist(), images, strict=True) if time < SECONDS]


class Worker:
    """Computes slices one after the other; counts the images that are answered in time.

    From the middle of the time on, an image takes `slowdown` times as long. A refusal takes
    `refusal` seconds of the worker's time.
    """

    def __init__(self, slowdown: float = 1.0, refusal: float = 0.0) -> None:
        self.now = 0.0
        self.slowdown, self.refusal = slowdown, refusal
        limits = Limits(slice_images=64, queue_images=4096, window=0.001)
        self.queue = JobQueue(limits, lambda: self.now)
        self.running, self.end = None, math.inf
        self.answered = 0

    def work(self, until: float) -> None:
        """Goes from one start or end of a slice to the next."""
        while True:
            if self.running is None:
                due = self.queue.seconds_until_due(math.inf)
                if due is None or self.now + due > until:
                    return
                self.now += due
                self.running = self.queue.next_slice()
                if self.running is not None:
                    slow = self.slowdown if self.now > SECONDS / 2 else 1.0
                    self.end = self.now + slow * self.running.images / CAPACITY
            elif self.end > until:
                return
            else:
                self.now = self.end
                self._finish()

    def _finish(self) -> None:
        done, self.running = self.running, None
        self.queue.finish(done)
        for part in done.parts:
            part.job.add(part.items)
            if part.job.reply.done() and self.now <= min(part.job.deadline, SECONDS):
                self.answered += len(part.job.items)

    def call(self, time: float, images: int) -> None:
        """A call that comes at a moment."""
        self.now = time
        deadline = time + DEADLINE
        try:
            self.queue.add(
                Job(
                    task=TASK,
                    items=range(images),
                    pixels=[784] * images,
                    deadline=deadline,
                    still_wanted=lambda: self.now < deadline,
                )
            )
        except Overloaded:
            self.end += self.refusal


def goodput(worker: Worker, load: float, sizes: tuple[int, ...]) -> float:
    """What is answered in time, as a share of the capacity."""
    for time, images in arrivals(load, sizes):
        worker.work(time)
        worker.call(time, images)
    worker.work(math.inf)
    return worker.answered / (CAPACITY * SECONDS)


def possible(load: float, sizes: tuple[int, ...]) -> float:
    """What could be answered, as a share of the capacity."""
    offered = sum(images for _, images in arrivals(load, sizes))
    return min(1.0, offered / (CAPACITY * SECONDS))


LOADS = (1.0, 2.0, 5.0, 10.0)
SIZES = [(1,), (8,), (32,), (1, 8, 32)]


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("load", LOADS)
def test_most_of_the_capacity_is_answered_in_time(load, sizes):
    assert goodput(Worker(), load, sizes) >= 0.84 * possible(load, sizes)


@pytest.mark.parametrize("sizes", [(8,), (32,)])
def test_what_refusals_cost_is_all_that_is_lost_at_five_times_the_capacity(sizes):
    # A fifth of a millisecond for each of the four calls that are refused per one that is not.
    cost = 0.0002 * 4 * CAPACITY / sizes[0]
    assert goodput(Worker(refusal=0.0002), 5.0, sizes) >= 0.95 * (1 - cost)


@pytest.mark.parametrize("sizes", SIZES)
def test_a_machine_that_becomes_five_times_slower_is_noticed(sizes):
    # In the second half a fifth of the capacity is left.
    assert goodput(Worker(slowdown=5.0), 5.0, sizes) >= 0.9 * (1 + 1 / 5) / 2


def test_at_half_of_the_capacity_nothing_is_refused_and_little_late():
    assert goodput(Worker(), 0.5, (1,)) >= 0.99 * possible(0.5, (1,))
