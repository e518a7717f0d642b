"""Rows of several callers in one run: who gets which rows, who waits, who is rejected."""

import queue
import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor, wait

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.errors import BundleError, InvalidInput, Overloaded
from codec.graphs.batches import MAX_CALL_ELEMENTS
from service.runtime.batching import STILL_WANTED, BatchObserver, Limits, MicroBatcher

FOREVER = 60.0


class Doubler:
    """A graph that doubles its rows, records its runs, and can be paused."""

    def __init__(self):
        self.runs = []
        self.started = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self, x):
        self.started.set()
        assert self.go_on.wait(10)
        self.runs.append(x.copy())
        if (x == 13).any():
            raise InvalidInput("thirteen")
        return x * 2, x + 1

    def sizes(self):
        return [len(run) for run in self.runs]


@pytest.fixture
def graph():
    return Doubler()


@pytest.fixture
def queued():
    """The number of queued rows after each change, in order."""
    return queue.SimpleQueue()


@pytest.fixture
def batcher(graph, queued):
    """A batcher that in effect waits for a full batch of 8 rows."""
    batcher = MicroBatcher(
        graph,
        Limits(batch_rows=8, window=FOREVER, queue_rows=16),
        BatchObserver(queue_rows=queued.put),
        "test",
    )
    yield batcher
    graph.go_on.set()
    batcher.close()


@pytest.fixture
def pool():
    with ThreadPoolExecutor(32) as pool:
        yield pool


def rows(count, value=1, width=2):
    return np.full((count, width), value, np.int64)


def call(batcher, x, still_wanted=lambda: True):
    STILL_WANTED.set(still_wanted)
    return batcher(x)


def wait_until_queued(queued, count):
    """Blocks until the queue has changed to `count` rows."""
    while queued.get(timeout=30) != count:
        pass


def test_callers_share_a_run_and_each_gets_its_own_rows(graph, batcher, pool):
    replies = [pool.submit(call, batcher, rows(2, value)) for value in range(4)]
    for value, reply in enumerate(replies):
        doubled, incremented = reply.result(10)
        np.testing.assert_array_equal(doubled, rows(2, 2 * value))
        np.testing.assert_array_equal(incremented, rows(2, value + 1))
    assert graph.sizes() == [8]


def test_a_full_batch_runs_at_once(graph, batcher):
    batcher(rows(8))
    assert graph.sizes() == [8]


def test_more_rows_than_a_batch_run_in_slices(graph, batcher):
    x = np.arange(100, 140).reshape(20, 2)
    np.testing.assert_array_equal(batcher(x)[0], 2 * x)
    assert graph.sizes() == [8, 8, 4]


def test_large_rows_run_in_small_slices(graph, batcher):
    batcher(np.zeros((8, MAX_CALL_ELEMENTS // 2), np.uint8))
    assert graph.sizes() == [2, 2, 2, 2]


def test_a_row_waits_no_longer_than_the_window(graph):
    batcher = MicroBatcher(
        graph, Limits(batch_rows=8, window=0.02, queue_rows=16), BatchObserver(), "test"
    )
    batcher(rows(1))
    batcher.close()
    assert graph.sizes() == [1]


def test_a_lone_caller_does_not_wait(graph):
    observer = BatchObserver(calls_in_progress=lambda: 1)
    batcher = MicroBatcher(
        graph, Limits(batch_rows=8, window=FOREVER, queue_rows=16), observer, "test"
    )
    batcher(rows(1))
    batcher.close()
    assert graph.sizes() == [1]


def test_only_rows_of_one_shape_and_type_share_a_run(graph, queued, pool):
    batcher = MicroBatcher(
        graph,
        Limits(batch_rows=100, window=FOREVER, queue_rows=100),
        BatchObserver(queue_rows=queued.put),
        "test",
    )
    batch = [rows(2), rows(2, width=3), rows(2), rows(2).astype(np.int32)]
    replies = [pool.submit(call, batcher, x) for x in batch]
    wait_until_queued(queued, 8)
    batcher.close()
    for x, reply in zip(batch, replies, strict=True):
        np.testing.assert_array_equal(reply.result(10)[0], 2 * x)
        assert reply.result()[0].dtype == x.dtype
    assert sorted(graph.sizes()) == [2, 2, 4]


def test_a_caller_who_has_gone_does_not_affect_the_rest_of_the_batch(graph, batcher, queued, pool):
    gone = pool.submit(call, batcher, rows(3, 5), lambda: False)
    wait_until_queued(queued, 3)
    others = [pool.submit(call, batcher, rows(3, value)) for value in (1, 2)]
    wait_until_queued(queued, 0)
    batcher.close()
    with pytest.raises(CancelledError):
        gone.result(10)
    for value, other in zip((1, 2), others, strict=True):
        np.testing.assert_array_equal(other.result(10)[0], rows(3, 2 * value))
    assert not any((run == 5).any() for run in graph.runs), "rows without a caller were run"


def test_a_batch_fails_only_for_the_caller_with_the_faulty_rows(batcher, pool):
    replies = {value: pool.submit(call, batcher, rows(2, value)) for value in (1, 13, 2, 3)}
    with pytest.raises(InvalidInput, match="thirteen"):
        replies.pop(13).result(10)
    for value, reply in replies.items():
        np.testing.assert_array_equal(reply.result(10)[0], rows(2, 2 * value))


def test_the_worker_survives_a_failure(batcher):
    with pytest.raises(InvalidInput):
        batcher(rows(8, 13))
    np.testing.assert_array_equal(batcher(rows(8, 1))[0], rows(8, 2))


def test_a_full_queue_rejects_at_once(graph, batcher, queued, pool):
    graph.go_on.clear()
    running = pool.submit(call, batcher, rows(8))
    assert graph.started.wait(10)
    second = pool.submit(call, batcher, rows(16))
    wait_until_queued(queued, 16)
    with pytest.raises(Overloaded, match=r"^server busy: 16 images queued, limit 16; retry later$"):
        batcher(rows(1))
    graph.go_on.set()
    assert len(running.result(10)[0]) == 8
    assert len(second.result(10)[0]) == 16


def test_an_empty_queue_accepts_a_call_of_any_size(batcher):
    assert len(batcher(rows(100))[0]) == 100


def test_closing_finishes_the_queued_rows(batcher, queued, pool):
    reply = pool.submit(call, batcher, rows(3))
    wait_until_queued(queued, 3)
    batcher.close()
    np.testing.assert_array_equal(reply.result(10)[0], rows(3, 2))


def test_after_closing_a_call_runs_alone(graph, batcher):
    batcher.close()
    np.testing.assert_array_equal(batcher(rows(3))[0], rows(3, 2))


def test_a_graph_that_loses_rows_fails_its_callers():
    batcher = MicroBatcher(
        lambda x: (x[1:],), Limits(batch_rows=1, window=0, queue_rows=16), BatchObserver(), "test"
    )
    with pytest.raises(BundleError, match="returned 0 rows, expected 1"):
        batcher(rows(3))
    batcher.close()


def test_the_observer_sees_runs_and_queue(graph):
    runs, queue_rows = [], []
    observer = BatchObserver(batch_rows=runs.append, queue_rows=queue_rows.append)
    batcher = MicroBatcher(
        graph, Limits(batch_rows=4, window=FOREVER, queue_rows=16), observer, "test"
    )
    batcher(rows(6))
    batcher.close()
    assert runs == [4, 2]
    assert queue_rows == [6, 0]


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(1, 11), min_size=1, max_size=24))
def test_any_mixture_of_calls_gives_each_caller_its_own_rows(sizes):
    batcher = MicroBatcher(
        Doubler(), Limits(batch_rows=8, window=0.001, queue_rows=1000), BatchObserver(), "test"
    )
    with ThreadPoolExecutor(24) as pool:
        replies = [
            pool.submit(call, batcher, rows(size, 100 + index)) for index, size in enumerate(sizes)
        ]
        wait(replies, 10)
    batcher.close()
    for index, (size, reply) in enumerate(zip(sizes, replies, strict=True)):
        np.testing.assert_array_equal(reply.result()[0], rows(size, 2 * (100 + index)))
