"""How much is answered in time at a multiple of the capacity: admission in simulated time.

A simulation is exact and the same each time: no thread, no clock of the machine.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from dataclasses import dataclass, field

import numpy as np
import pytest

from codec.errors import Overloaded
from service.runtime.admission import Admission

# Images per second that the worker can compute, and seconds that a caller waits.
CAPACITY, DEADLINE = 1000.0, 0.25
SECONDS = 5.0


@dataclass
class Clock:
    """Simulated seconds."""

    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


@dataclass(order=True)
class Call:
    """A call that was admitted."""

    deadline: float
    number: int
    images: int = field(compare=False)
    left: float = field(compare=False)
    """seconds of computation"""


def arrivals(load: float, sizes: tuple[int, ...], seed: int = 0) -> list[tuple[float, int]]:
    """Times and images of calls: a Poisson process of `load` times the capacity."""
    rng = np.random.default_rng(seed)
    rate = load * CAPACITY / np.mean(sizes)
    times = np.cumsum(rng.exponential(1 / rate, int(1.2 * rate * SECONDS) + 100))
    images = rng.choice(sizes, len(times)).tolist()
    return [(time, n) for time, n in zip(times.tolist(), images, strict=True) if time < SECONDS]


def one_after_the_other(load: float, sizes: tuple[int, ...], slowdown: float = 1.0) -> float:
    """Share of the capacity that is answered in time by one worker with a queue.

    The worker leaves out calls whose callers have gone. `slowdown` multiplies the time of an image
    in the second half.
    """
    clock, waiting, answered = Clock(), deque[Call](), 0
    admission, free = Admission(clock), 0.0
    numbers = itertools.count()

    def work(until: float) -> None:
        nonlocal free, answered
        while waiting and max(free, waiting[0].deadline - DEADLINE) < until:
            call = waiting[0]
            start = max(free, call.deadline - DEADLINE)
            gone = start > call.deadline
            end = start if gone else start + call.left * (slowdown if start > SECONDS / 2 else 1)
            if end > until:
                return
            waiting.popleft()
            free = clock.seconds = end
            in_time = end <= min(call.deadline, SECONDS)
            answered += call.images if in_time else 0
            admission._leave(call.images, 0 if gone else call.images)

    for time, images in arrivals(load, sizes):
        work(time)
        clock.seconds = time
        try:
            admission._enter(images, DEADLINE)
        except Overloaded:
            continue
        waiting.append(Call(time + DEADLINE, next(numbers), images, images / CAPACITY))
    work(float("inf"))
    possible = SECONDS / 2 * (1 + 1 / slowdown)
    return answered / (CAPACITY * possible)


def all_at_once(load: float, sizes: tuple[int, ...]) -> float:
    """The same if all calls in progress share the machine equally."""
    clock, running, answered = Clock(), list[Call](), 0
    admission, numbers = Admission(clock), itertools.count()

    def leave(call: Call, finished: int) -> None:
        running.remove(call)
        heapq.heapify(running)
        admission._leave(call.images, finished)

    def work(until: float) -> None:
        nonlocal answered
        while running:
            first = min(running, key=lambda call: call.left)
            end = clock.seconds + first.left * len(running)
            gone = running[0]
            moment = min(end, gone.deadline, until)
            share = (moment - clock.seconds) / len(running)
            clock.seconds = moment
            for call in running:
                call.left -= share
            if moment == until:
                return
            if moment == end:
                answered += first.images if moment <= SECONDS else 0
                leave(first, first.images)
            else:
                leave(gone, 0)

    for time, images in arrivals(load, sizes):
        work(time)
        clock.seconds = time
        try:
            admission._enter(images, DEADLINE)
        except Overloaded:
            continue
        heapq.heappush(running, Call(time + DEADLINE, next(numbers), images, images / CAPACITY))
    work(float("inf"))
    return answered / (CAPACITY * SECONDS)


def possible(load: float, sizes: tuple[int, ...]) -> float:
    """What could be answered, as a share of the capacity."""
    offered = sum(images for _, images in arrivals(load, sizes))
    return min(1.0, offered / (CAPACITY * SECONDS))


LOADS = (1.0, 2.0, 5.0, 10.0)
SIZES = [(1,), (8,), (32,), (1, 8, 32)]


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("load", LOADS)
def test_most_of_the_capacity_is_answered_in_time_by_a_queue(load, sizes):
    assert one_after_the_other(load, sizes) >= 0.8 * possible(load, sizes)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("load", LOADS)
def test_most_of_the_capacity_is_answered_in_time_by_calls_that_share(load, sizes):
    assert all_at_once(load, sizes) >= 0.8 * possible(load, sizes)


@pytest.mark.parametrize("sizes", [(1,), (8,)])
def test_a_machine_that_becomes_five_times_slower_is_noticed(sizes):
    assert one_after_the_other(5.0, sizes, slowdown=5.0) >= 0.8


def test_at_half_of_the_capacity_next_to_nothing_is_refused():
    assert one_after_the_other(0.5, (1, 8)) >= 0.99 * possible(0.5, (1, 8))
