"""How much is answered in time at a multiple of the capacity: admission in simulated time.

A simulation is exact and the same each time: no thread, no clock of the machine.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

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


@dataclass(eq=False)
class Call:
    """A call that was admitted."""

    arrived: float
    images: int
    left: float
    """seconds of computation"""

    @property
    def deadline(self) -> float:
        """When its caller gives up."""
        return self.arrived + DEADLINE


class Machine:
    """Calls that were admitted, oldest first, and the images that were answered in time."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.admission = Admission(self.clock)
        self.calls: list[Call] = []
        self.answered = 0

    def work(self, until: float) -> None:
        """Computes until a moment."""
        raise NotImplementedError

    def leave(self, call: Call, *, gone: bool) -> None:
        """The end of a call at this moment."""
        self.calls.remove(call)
        self.admission._leave(call.images, 0 if gone else call.images)
        if not gone and self.clock.seconds <= min(call.deadline, SECONDS):
            self.answered += call.images


def arrivals(load: float, sizes: tuple[int, ...], seed: int = 0) -> list[tuple[float, int]]:
    """Times and images of calls: a Poisson process of `load` times the capacity."""
    rng = np.random.default_rng(seed)
    rate = load * CAPACITY / np.mean(sizes)
    times = np.cumsum(rng.exponential(1 / rate, int(1.2 * rate * SECONDS) + 100))
    images = rng.choice(sizes, len(times)).tolist()
    return [(time, n) for time, n in zip(times.tolist(), images, strict=True) if time < SECONDS]


class Queue(Machine):
    """One call after the other; those whose callers have gone are left out.

    From the middle of the time on, an image takes `slowdown` times as long.
    """

    def __init__(self, slowdown: float = 1.0) -> None:
        super().__init__()
        self.slowdown = slowdown
        self.free = 0.0

    def work(self, until: float) -> None:
        """Ends the calls that end before `until`."""
        while self.calls:
            call = self.calls[0]
            start = max(self.free, call.arrived)
            gone = start > call.deadline
            factor = self.slowdown if start > SECONDS / 2 else 1.0
            end = start if gone else start + factor * call.left
            if end > until:
                return
            self.free = self.clock.seconds = end
            self.leave(call, gone=gone)


class Shared(Machine):
    """All calls in progress get the same part of the machine, and end when their callers go."""

    def work(self, until: float) -> None:
        """Goes from one end of a call to the next."""
        while self.calls:
            shortest = min(self.calls, key=lambda call: call.left)
            end = self.clock.seconds + shortest.left * len(self.calls)
            moment = min(end, self.calls[0].deadline, until)
            for call in self.calls:
                call.left -= (moment - self.clock.seconds) / len(self.calls)
            self.clock.seconds = moment
            if moment == until:
                return
            gone = moment != end
            self.leave(self.calls[0] if gone else shortest, gone=gone)


def goodput(machine: Machine, load: float, sizes: tuple[int, ...]) -> float:
    """What is answered in time, as a share of the capacity."""
    for time, images in arrivals(load, sizes):
        machine.work(time)
        machine.clock.seconds = time
        with contextlib.suppress(Overloaded):
            machine.admission._enter(images, DEADLINE)
            machine.calls.append(Call(time, images, images / CAPACITY))
    machine.work(float("inf"))
    return machine.answered / (CAPACITY * SECONDS)


def possible(load: float, sizes: tuple[int, ...]) -> float:
    """What could be answered, as a share of the capacity."""
    offered = sum(images for _, images in arrivals(load, sizes))
    return min(1.0, offered / (CAPACITY * SECONDS))


LOADS = (1.0, 2.0, 5.0, 10.0)
SIZES = [(1,), (8,), (32,), (1, 8, 32)]


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("load", LOADS)
def test_most_of_the_capacity_is_answered_in_time_by_a_queue(load, sizes):
    assert goodput(Queue(), load, sizes) >= 0.8 * possible(load, sizes)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("load", LOADS)
def test_most_of_the_capacity_is_answered_in_time_by_calls_that_share(load, sizes):
    assert goodput(Shared(), load, sizes) >= 0.8 * possible(load, sizes)


@pytest.mark.parametrize("sizes", [(1,), (8,)])
def test_a_machine_that_becomes_five_times_slower_is_noticed(sizes):
    # In the second half a fifth of the capacity is left.
    assert goodput(Queue(slowdown=5.0), 5.0, sizes) >= 0.8 * (1 + 1 / 5) / 2


def test_at_half_of_the_capacity_next_to_nothing_is_refused():
    assert goodput(Queue(), 0.5, (1, 8)) >= 0.99 * possible(0.5, (1, 8))
