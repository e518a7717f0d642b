"""Jobs of several callers in one thread: who shares a slice, gets an error, or is dropped."""

import queue
import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor, wait

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.errors import BundleError, InvalidInput
from service.runtime.executor import Executor, Observer
from service.runtime.job_queue import Limits
from service.runtime.jobs import Job, Task

FOREVER = 60.0
KEY = ("model", "1", "double")


class Doubler:
    """Doubles its items, records its runs, and can be paused."""

    def __init__(self):
        self.runs = []
        self.started = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()
        self.task = Task("double", KEY, self)

    def __call__(self, items):
        self.started.set()
        assert self.go_on.wait(10)
        self.runs.append(list(items))
        if 13 in items:
            raise InvalidInput("thirteen")
        return [InvalidInput("odd") if item == 7 else 2 * item for item in items]


@pytest.fixture
def doubler():
    return Doubler()


@pytest.fixture
def executor():
    """In effect waits for a full slice of 8 images."""
    executor = Executor(Limits(slice_images=8, queue_images=1000, window=FOREVER), Observer())
    executor._queue._costs.learn(KEY, images=1000, pixels=100_000, seconds=0.001)
    yield executor
    executor.close()


@pytest.fixture
def pool():
    with ThreadPoolExecutor(32) as pool:
        yield pool


def job(doubler, *items, **options):
    return Job(task=doubler.task, items=list(items), pixels=[100] * len(items), **options)


def test_jobs_share_a_slice(executor, doubler, pool):
    calls = [pool.submit(executor.run, job(doubler, n, n)) for n in range(4)]
    assert [call.result(10) for call in calls] == [[2 * n, 2 * n] for n in range(4)]
    assert [len(run) for run in doubler.runs] == [8]


def test_an_error_reaches_only_the_job_that_caused_it(executor, doubler, pool):
    calls = [pool.submit(executor.run, job(doubler, n, n)) for n in (1, 2, 13, 3)]
    with pytest.raises(InvalidInput, match="thirteen"):
        calls[2].result(10)
    assert [calls[n].result(10) for n in (0, 1, 3)] == [[2, 2], [4, 4], [6, 6]]


def test_a_job_may_end_with_its_first_error(executor, doubler):
    outcomes = executor.run(job(doubler, 7, *[1] * 23, first_error_only=True))
    assert str(outcomes[0]) == "odd"
    assert len(outcomes) < 24
    assert len(executor.run(job(doubler, 7, *[1] * 23))) == 24


def test_a_job_whose_caller_has_gone_is_not_computed(executor, doubler, pool):
    doubler.go_on.clear()
    paused = pool.submit(executor.run, job(doubler, *[1] * 8))
    assert doubler.started.wait(10)
    gone = pool.submit(executor.run, job(doubler, *[5] * 8, still_wanted=lambda: False))
    while executor._queue.images < 8:
        wait([paused], 0.001)
    doubler.go_on.set()
    with pytest.raises(CancelledError):
        gone.result(10)
    assert paused.result(10) == [2] * 8
    assert not any(5 in run for run in doubler.runs)


def test_results_of_another_number_are_an_error(executor):
    wrong = Task("wrong", KEY, lambda items: items[1:])
    with pytest.raises(BundleError, match="gave 7 results, expected 8"):
        executor.run(Job(task=wrong, items=list(range(8)), pixels=[100] * 8))


def test_closing_finishes_the_jobs_and_cancels_later_ones(doubler, pool):
    executor = Executor(Limits(slice_images=8, queue_images=100, window=FOREVER), Observer())
    accepted = pool.submit(executor.run, job(doubler, 1))
    while not executor._queue.images and not accepted.done():
        wait([accepted], 0.001)
    executor.close()
    assert accepted.result(10) == [2]
    with pytest.raises(CancelledError):
        executor.run(job(doubler, 1))


def test_a_lone_call_does_not_wait_for_others(doubler):
    alone = Observer(calls_in_progress=lambda: 1)
    executor = Executor(Limits(slice_images=8, queue_images=100, window=FOREVER), alone)
    assert executor.run(job(doubler, 1)) == [2]
    executor.close()


def test_the_observer_sees_slices_and_the_queue(doubler):
    seen = queue.SimpleQueue()
    observer = Observer(
        computed=lambda done, seconds: seen.put(("computed", done.images, seconds >= 0)),
        queued=lambda images, seconds: seen.put(("queued", images, seconds)),
    )
    executor = Executor(Limits(slice_images=4, queue_images=100, window=0.0), observer)
    executor.run(job(doubler, 1, 2, 3))
    executor.close()
    events = [seen.get_nowait() for _ in range(2)]
    assert events == [("queued", 0, 0.0), ("computed", 3, True)]


@settings(max_examples=20)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(1, 9))
def test_every_caller_gets_its_results_whatever_shares_a_slice(sizes, most):
    doubler = Doubler()
    executor = Executor(Limits(slice_images=most, queue_images=1000, window=0.0), Observer())
    with ThreadPoolExecutor(len(sizes)) as pool:
        jobs = [
            job(doubler, *[100 + 10 * i + n for n in range(size)]) for i, size in enumerate(sizes)
        ]
        calls = [pool.submit(executor.run, one) for one in jobs]
        results = [call.result(20) for call in calls]
    assert results == [[2 * item for item in one.items] for one in jobs]
    executor.close()


def test_it_is_known_for_how_long_a_slice_has_been_computed(executor, doubler, pool):
    assert executor.seconds_computing() == 0.0
    doubler.go_on.clear()
    call = pool.submit(executor.run, job(doubler, *range(8, 12), *range(8, 12)))
    assert doubler.started.wait(10)
    assert executor.seconds_computing() > 0.0
    doubler.go_on.set()
    call.result(10)
    while executor.seconds_computing():
        pass
