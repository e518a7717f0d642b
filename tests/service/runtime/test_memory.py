"""The memory of decoded images: who gets it, who waits, who is turned away."""

import queue
import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor

import pytest

from codec.errors import Overloaded
from service.runtime.batching import STILL_WANTED
from service.runtime.memory import MIB, MemoryBudget

LONG = 600.0


@pytest.fixture
def pool():
    with ThreadPoolExecutor(40) as pool:
        yield pool


class Call:
    """A call in another thread, which holds memory; `end` ends it."""

    def __init__(self, pool, budget, size):
        self._started, self._end = threading.Event(), threading.Event()
        self._done = pool.submit(self._run, budget, size)

    def _run(self, budget, size):
        with budget.hold(size, LONG):
            self._started.set()
            self._end.wait(20)

    def wait(self):
        assert self._started.wait(20)
        return self

    def end(self):
        self._end.set()
        self._done.result(20)


def let_wait(budget, waiting):
    """Returns once that number of calls wait."""
    while budget.waiting() < waiting:
        pass


def test_calls_share_the_memory(pool):
    budget = MemoryBudget(10 * MIB)
    calls = [Call(pool, budget, size * MIB).wait() for size in (4, 6)]
    assert budget.in_use() == 10 * MIB
    for call in calls:
        call.end()
    assert budget.in_use() == 0


def test_a_call_waits_until_there_is_enough_and_later_ones_behind_it(pool):
    budget, order = MemoryBudget(10 * MIB), queue.SimpleQueue()
    first = Call(pool, budget, 8 * MIB).wait()

    def take(size):
        with budget.hold(size * MIB, LONG):
            order.put(size)

    later = []
    for waiting, size in enumerate((9, 1, 2), 1):
        later.append(pool.submit(take, size))
        let_wait(budget, waiting)
    assert order.empty()
    first.end()
    for done in later:
        done.result(20)
    assert order.get() == 9
    assert budget.in_use() == 0


def test_a_call_that_needs_more_than_there_is_runs_alone(pool):
    budget = MemoryBudget(10 * MIB)
    large = Call(pool, budget, 50 * MIB).wait()
    with pytest.raises(Overloaded) as caught, budget.hold(3 * MIB, 0.0):
        pass
    assert str(caught.value) == (
        "server busy: the images of this call take about 3 MiB, those of other calls 50 MiB, "
        "limit 10; retry later"
    )
    large.end()
    call = Call(pool, budget, 3 * MIB).wait()
    with pytest.raises(Overloaded), budget.hold(50 * MIB, 0.0):
        pass
    call.end()
    assert budget.in_use() == 0


def test_small_calls_never_wait():
    budget = MemoryBudget(10 * MIB)
    with budget.hold(50 * MIB, LONG), budget.hold(MIB - 1, 0.0):
        assert budget.in_use() == 50 * MIB


def test_few_calls_wait_and_further_ones_are_rejected_at_once(pool):
    budget = MemoryBudget(10 * MIB)
    first = Call(pool, budget, 10 * MIB).wait()
    calls = [Call(pool, budget, MIB) for _ in range(32)]
    let_wait(budget, 32)
    with pytest.raises(Overloaded), budget.hold(MIB, LONG):
        pass
    first.end()
    for call in calls:
        call.end()
    assert budget.in_use() == 0


def test_a_call_whose_caller_has_gone_does_nothing():
    budget, token = MemoryBudget(10 * MIB), STILL_WANTED.set(lambda: False)
    try:
        with pytest.raises(CancelledError), budget.hold(MIB, LONG):
            pytest.fail("it ran")
    finally:
        STILL_WANTED.reset(token)
    assert budget.in_use() == 0
