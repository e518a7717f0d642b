"""Which calls are admitted, given their deadline and the calls in progress."""

import contextlib
from concurrent.futures import CancelledError

import pytest

from codec.errors import Overloaded
from service.runtime.admission import Admission

NO_DEADLINE = 1e9


class Clock:
    """A clock that moves only when a test says so."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def admission(clock):
    """An admission whose finished calls took 10 ms per image."""
    admission = Admission(clock)
    for _ in range(60):
        with admission.admit(1, NO_DEADLINE):
            clock.seconds += 0.01
    assert admission._seconds_per_image() == pytest.approx(0.01, rel=0.01)
    return admission


def test_an_idle_server_admits_a_call_that_will_be_late(admission):
    with admission.admit(1000, 0.1):
        assert admission.in_progress() == 1
    assert admission.in_progress() == 0


def test_a_call_that_would_be_late_is_rejected(admission):
    with admission.admit(100, NO_DEADLINE):
        with pytest.raises(Overloaded) as caught:
            admission._enter(1, 0.5)
        assert str(caught.value) == (
            "server busy: about 1.01 s of work queued, deadline in 0.50 s; retry later"
        )
        with admission.admit(1, 20.0):
            assert admission.in_progress() == 2


def test_a_call_needs_half_as_much_again_as_it_is_expected_to_take(admission):
    with admission.admit(99, NO_DEADLINE):
        with pytest.raises(Overloaded):
            admission._enter(1, 1.49)
        admission._enter(1, 1.51)


def test_a_rejected_call_is_not_in_progress(admission):
    with admission.admit(100, NO_DEADLINE):
        with pytest.raises(Overloaded):
            admission._enter(1, 0.5)
        assert admission.in_progress() == 1


def test_a_deadline_in_the_past_is_rejected_while_other_calls_run(admission):
    with admission.admit(1, NO_DEADLINE), pytest.raises(Overloaded):
        admission._enter(1, 0.0)


def test_a_call_without_images_is_admitted_and_leaves_the_estimate_alone(admission, clock):
    with admission.admit(0, NO_DEADLINE):
        clock.seconds += 5
    with admission.admit(100, NO_DEADLINE):
        with admission.admit(0, 0.0):
            clock.seconds += 0.5
        clock.seconds += 0.5
    assert admission._seconds_per_image() == pytest.approx(0.01, rel=0.01)


def test_without_an_estimate_every_call_is_admitted():
    admission = Admission()
    with contextlib.ExitStack() as calls:
        for _ in range(10):
            calls.enter_context(admission.admit(100, 0.001))
        assert admission.in_progress() == 10


@pytest.mark.parametrize("error", [CancelledError, Overloaded])
def test_a_call_that_was_given_up_took_time_and_finished_nothing(error, admission, clock):
    estimate = admission._seconds_per_image()
    with contextlib.suppress(error), admission.admit(1, NO_DEADLINE):
        clock.seconds += 0.5
        raise error("gone")
    assert admission.in_progress() == 0
    assert admission._seconds_per_image() > 1.5 * estimate


def test_images_with_an_error_are_finished(admission, clock):
    for _ in range(60):
        with contextlib.suppress(ValueError), admission.admit(1, NO_DEADLINE):
            clock.seconds += 0.01
            raise ValueError("bad")
    assert admission.in_progress() == 0
    assert admission._seconds_per_image() == pytest.approx(0.01, rel=0.01)


def test_a_first_call_that_a_full_queue_refuses_does_not_keep_others_out(clock):
    admission = Admission(clock)
    with contextlib.suppress(Overloaded), admission.admit(1, NO_DEADLINE):
        clock.seconds += 0.001
        raise Overloaded("full")
    with admission.admit(8, 0.1), admission.admit(8, 0.1):
        assert admission.in_progress() == 2


def test_while_every_call_is_given_up_one_at_a_time_is_admitted(admission, clock):
    for _ in range(60):
        with contextlib.suppress(CancelledError), admission.admit(8, 1.0):
            clock.seconds += 1.0
            raise CancelledError
    with admission.admit(8, 1.0), pytest.raises(Overloaded):
        admission._enter(8, 1.0)


def test_a_slow_first_call_is_soon_forgotten(clock):
    admission = Admission(clock)
    with admission.admit(1, NO_DEADLINE):
        clock.seconds += 1.0
    for _ in range(100):
        with admission.admit(1, 0.25):
            clock.seconds += 0.001
    with admission.admit(1, 0.25), admission.admit(1, 0.25):
        assert admission.in_progress() == 2
