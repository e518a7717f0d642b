"""Who is let in, judged by the deadline and by what is in progress."""

import time
from contextlib import ExitStack

import pytest

from codec.errors import Overloaded
from service.runtime.admission import Admission

FOREVER = 1e9


@pytest.fixture
def admission():
    """An admission that has learnt that an image takes about 10 ms."""
    admission = Admission()
    for _ in range(30):
        with admission.admit(1, FOREVER):
            time.sleep(0.01)
    return admission


def test_an_idle_server_takes_what_it_can_hardly_manage(admission):
    with admission.admit(1000, 0.1):
        assert admission.in_progress() == 1
    assert admission.in_progress() == 0


def test_a_call_that_would_be_late_is_refused(admission):
    with admission.admit(100, FOREVER):
        with pytest.raises(Overloaded, match=r"^100 images are in progress, with these about "):
            admission._enter(1, 0.5)
        with admission.admit(1, 20.0):
            assert admission.in_progress() == 2


def test_a_refused_call_is_not_in_progress(admission):
    with admission.admit(100, FOREVER):
        with pytest.raises(Overloaded):
            admission._enter(1, 0.5)
        assert admission.in_progress() == 1


def test_a_deadline_in_the_past_is_refused_while_others_work(admission):
    with admission.admit(1, FOREVER), pytest.raises(Overloaded):
        admission._enter(1, 0.0)


def test_a_call_without_images_is_let_in_and_teaches_nothing(admission):
    learnt = admission._image_seconds
    with admission.admit(100, FOREVER), admission.admit(0, 0.0):
        time.sleep(0.05)
    with admission.admit(0, FOREVER):
        time.sleep(0.05)
    assert admission._image_seconds == pytest.approx(learnt, rel=0.2)


def test_without_experience_everybody_is_let_in():
    admission = Admission()
    with ExitStack() as calls:
        for _ in range(10):
            calls.enter_context(admission.admit(100, 0.001))
        assert admission.in_progress() == 10


def test_a_failed_call_leaves_and_teaches_nothing(admission):
    learnt = admission._image_seconds
    with pytest.raises(ValueError, match="bad"), admission.admit(1, FOREVER):
        raise ValueError("bad")
    assert admission.in_progress() == 0
    assert admission._image_seconds == learnt


def test_a_wrong_expectation_does_not_refuse_for_ever(admission):
    with admission.admit(1, FOREVER):
        for _ in range(1000):
            try:
                with admission.admit(1, 0.01):
                    return
            except Overloaded:
                continue
    pytest.fail("every call was refused")
