"""Facts of calls are written together, and none is lost."""

import threading
from types import SimpleNamespace

import pytest

from service.metrics.tally import Tally


class Written(list):
    """What was written, group by group."""

    def write(self, facts):
        self.append(list(facts))


@pytest.fixture
def clock():
    return SimpleNamespace(now=100.0)


@pytest.fixture
def tally(clock):
    return Tally(lambda: clock.now)


def test_without_a_call_in_progress_everything_is_written(tally):
    one, other = Written(), Written()
    tally.add(one.write, 1)
    tally.add(other.write, "a")
    tally.add(one.write, 2)
    tally.write(0)
    assert (one, other) == ([[1, 2]], [["a"]])


def test_between_calls_facts_wait_for_a_tenth_of_a_second(tally, clock):
    written = Written()
    tally.write(1)
    for fact in range(3):
        tally.add(written.write, fact)
        tally.write(1)
    assert written == []
    clock.now += 0.2
    tally.write(1)
    assert written == [[0, 1, 2]]


def test_of_many_threads_the_last_one_leaves_nothing(tally):
    written, calls, threads = Written(), 8 * [0], []

    def call(number):
        for _ in range(500):
            calls[number] = 1
            tally.add(written.write, number)
            calls[number] = 0
            tally.write(sum(calls))

    threads = [threading.Thread(target=call, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(fact for facts in written for fact in facts) == sorted(list(range(8)) * 500)
