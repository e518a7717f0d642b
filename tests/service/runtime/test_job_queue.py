"""Which jobs are accepted, and what is computed next: the queue in simulated time."""

from __future__ import annotations

import math
from concurrent.futures import CancelledError

import pytest

from service.runtime.job_queue import SLICE_PIXELS, JobQueue, Limits
from service.runtime.jobs import PATIENCE, Job, Task
from service.status import Busy

PIXELS = 100


class Clock:
    """Simulated seconds."""

    def __init__(self):
        self.seconds = 1000.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def queue(clock):
    return JobQueue(Limits(slice_images=8, queue_images=20, window=0.001), clock)


def task(name="encode", key=None):
    return Task(name if key is None else key, ("model", "1", name), lambda items: items)


def job(clock, count, *, left=math.inf, pixels=PIXELS, of=None, **options):
    """A job with `left` seconds until its deadline."""
    return Job(
        task=of or task(),
        items=list(range(count)),
        pixels=[pixels] * count,
        deadline=clock() + left,
        **options,
    )


def compute(queue, clock, seconds_per_image):
    """Computes the next slice; gives its numbers of images by job."""
    taken = queue.next_slice()
    clock.seconds += seconds_per_image * taken.images
    queue.finish(taken)
    for part in taken.parts:
        part.job.add(part.items)
    return [(part.job, part.stop - part.start) for part in taken.parts]


def learn(queue, clock, seconds_per_image, of=None):
    """Makes the cost of a task known."""
    for _ in range(3):
        queue.add(job(clock, 4, of=of))
        while queue.images:
            compute(queue, clock, seconds_per_image)


def test_the_earliest_deadline_comes_first(queue, clock):
    late, early, patient = (
        job(clock, 1, left=1.0, of=task(key="a")),
        job(clock, 1, left=0.5, of=task(key="b")),
        job(clock, 1, of=task(key="c")),
    )
    for one in (patient, late, early):
        queue.add(one)
    order = [compute(queue, clock, 0.001)[0][0] for _ in range(3)]
    assert order == [early, late, patient]


def test_a_patient_call_is_not_overtaken_for_ever(queue, clock):
    patient = job(clock, 1, of=task(key="patient"))
    queue.add(patient)
    clock.seconds += PATIENCE
    queue.add(job(clock, 1, left=0.5))
    assert compute(queue, clock, 0.001)[0][0] is patient


def test_jobs_of_one_task_share_a_slice_and_others_do_not(queue, clock):
    learn(queue, clock, 0.0001)
    first, other, second = job(clock, 2), job(clock, 2, of=task("decode")), job(clock, 3)
    for one in (first, other, second):
        queue.add(one)
    assert compute(queue, clock, 0.0001) == [(first, 2), (second, 3)]
    assert compute(queue, clock, 0.0001) == [(other, 2)]


def test_a_large_job_is_cut_and_an_urgent_one_passes_it(queue, clock):
    learn(queue, clock, 0.005)
    large = job(clock, 12)
    queue.add(large)
    assert compute(queue, clock, 0.005) == [(large, 4)]  # 20 ms
    urgent = job(clock, 1, left=0.1, of=task("score"))
    queue.add(urgent)
    assert compute(queue, clock, 0.005) == [(urgent, 1)]
    assert compute(queue, clock, 0.005) == [(large, 4)]
    assert not large.reply.done()
    compute(queue, clock, 0.005)
    assert large.reply.result(0) == list(range(12))


def test_the_first_slice_of_an_unknown_task_is_small(queue, clock):
    queue.add(job(clock, 8))
    assert queue.next_slice().images == 4


def test_large_images_are_computed_one_by_one(queue, clock):
    queue.add(job(clock, 2, pixels=SLICE_PIXELS * 3))
    assert queue.next_slice().images == 1


def test_a_job_that_would_be_late_is_refused_with_a_time_to_retry(queue, clock):
    learn(queue, clock, 0.05)
    queue.add(job(clock, 10))
    clock.seconds += PATIENCE  # what can wait has waited
    with pytest.raises(Busy, match=r"about 0\.55 s of work queued, deadline in 0\.25 s") as caught:
        queue.add(job(clock, 1, left=0.25))
    assert caught.value.reason == "deadline"
    assert caught.value.retry_seconds > 0.4


def test_a_job_that_would_make_an_accepted_one_late_is_refused(queue, clock):
    learn(queue, clock, 0.05)
    queue.add(job(clock, 4, left=0.3))
    with pytest.raises(Busy, match="other calls would be late"):
        queue.add(job(clock, 3, left=0.29))
    queue.add(job(clock, 1, left=0.29))


def test_a_call_that_cannot_be_in_time_is_refused_before_its_size_is_known(queue, clock):
    learn(queue, clock, 0.05)
    queue.refuse_late(clock() + 0.001)  # nothing is queued
    queue.add(job(clock, 10, left=3.0))
    queue.refuse_late(clock() + 1.0)
    clock.seconds += PATIENCE
    with pytest.raises(Busy, match=r"about 0\.50 s of work queued, deadline in 0\.25 s") as caught:
        queue.refuse_late(clock() + 0.25)
    assert caught.value.reason == "deadline"


def test_a_job_on_an_idle_server_is_always_accepted(queue, clock):
    learn(queue, clock, 5.0)
    queue.add(job(clock, 1, left=0.001))


def test_a_slow_task_does_not_cost_the_calls_of_a_fast_one(queue, clock):
    slow, fast = task("slow"), task("fast")
    learn(queue, clock, 0.05, slow)
    learn(queue, clock, 0.0001, fast)
    queue.add(job(clock, 8, of=slow))
    compute(queue, clock, 0.05)
    for _ in range(10):
        queue.add(job(clock, 1, left=0.05, of=fast))


def test_more_images_than_the_limit_are_refused(queue, clock):
    queue.add(job(clock, 15))
    with pytest.raises(Busy, match="15 images queued, limit 20") as caught:
        queue.add(job(clock, 6))
    assert caught.value.reason == "queue"


def test_a_job_whose_caller_has_gone_is_dropped(queue, clock):
    gone, waiting = job(clock, 1, still_wanted=lambda: False), job(clock, 1)
    queue.add(gone)
    queue.add(waiting)
    assert compute(queue, clock, 0.001) == [(waiting, 1)]
    with pytest.raises(CancelledError):
        gone.reply.result(0)


def test_a_slice_waits_for_other_calls_in_progress_but_not_for_long(queue, clock):
    assert queue.seconds_until_due(5) is None
    queue.add(job(clock, 1))
    assert queue.seconds_until_due(1) == 0
    assert queue.seconds_until_due(2) == pytest.approx(0.001)
    clock.seconds += 0.002
    assert queue.seconds_until_due(2) == 0


def test_a_full_slice_is_due_at_once(queue, clock):
    queue.add(job(clock, 8))
    assert queue.seconds_until_due(100) == 0


def test_the_backlog_is_what_the_jobs_are_expected_to_take(queue, clock):
    learn(queue, clock, 0.01)
    queue.add(job(clock, 4))
    assert queue.backlog() == pytest.approx(0.04, rel=0.05)
    queue.next_slice()
    clock.seconds += 0.01
    assert queue.backlog() == pytest.approx(0.03, rel=0.05)


def test_an_overload_is_work_that_recent_calls_could_not_wait_for(queue, clock):
    learn(queue, clock, 0.05)
    assert queue.overload() is None
    for _ in range(200):  # calls have a quarter of a second
        queue.refuse_late(clock() + 0.25)
    queue.add(job(clock, 3, left=0.25))
    assert queue.overload() is None
    while queue.images:
        compute(queue, clock, 0.05)
    queue.add(job(clock, 4, left=0.25))
    assert queue.overload().reason == "deadline"


def test_patient_work_is_no_overload_for_urgent_calls(queue, clock):
    learn(queue, clock, 0.05)
    for _ in range(200):
        queue.refuse_late(clock() + 0.25)
    queue.add(job(clock, 20, left=60.0))
    assert queue.overload() is None
