"""All calls of a client share the repetitions of what busy servers refused."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from residuum_client.errors import Overloaded
from residuum_client.schedule import Pace, Retries, Schedule

IN_SECOND = 50


def test_a_single_repetition_is_made_as_early_as_asked():
    assert Retries().plan(0, 10.0, 10.25, 1.0) == 10.25


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0.1, 3)), max_size=300))
def test_there_are_never_more_than_fifty_in_a_second_none_early_and_none_late(asked):
    retries, now, planned = Retries(), 1000.0, []
    for passed, pause in asked:
        now += passed / 100
        at = retries.plan(0, now, now + pause, 2)
        if at is not None:
            assert now + pause <= at <= now + pause + 2
            planned.append(at)
    intervals = Counter(int(at / 0.1 + 1e-6) for at in planned)
    assert max(intervals.values(), default=0) <= IN_SECOND / 10


def test_those_that_pause_for_long_do_not_hold_up_others():
    retries = Retries()
    for _ in range(IN_SECOND):
        retries.plan(0, 0.0, 5.0, 4.0)
    assert retries.plan(0, 0.0, 0.1, 0.1) == pytest.approx(0.1)


def test_a_place_that_passed_is_forgotten():
    retries = Retries()
    for second in range(1000):
        assert retries.plan(0, second, second + 0.5, 0.0) == second + 0.5
    assert len(retries._planned) <= 2


def test_a_call_fails_at_once_if_its_turn_would_come_after_its_timeout():
    retries, refused = Retries(), 0
    for _ in range(IN_SECOND):
        schedule: Schedule[int, int] = Schedule("image", Pace(timeout=0.25), retries)
        schedule.add(1, 1)
        schedule.end()
        schedule.failed(schedule.next_message(0.0), Overloaded("busy"), 0.0)
        refused += [type(one) for one in schedule.outcomes()] == [Overloaded]
    assert refused == IN_SECOND - 15
