"""A limited number of calls at a time."""

import pytest

from service.runtime.concurrency import Concurrency
from service.status import Busy


def test_further_calls_are_refused_until_one_ends():
    seen = []
    calls = Concurrency(2, "calls", seen.append)
    with calls.enter():
        with calls.enter(), pytest.raises(Busy) as caught, calls.enter():
            pass
        with calls.enter():
            assert calls.count() == 2
    assert str(caught.value) == "server busy: 2 calls open, limit 2; retry later"
    assert caught.value.reason == "calls"
    assert seen == [1, 2, 1, 2, 1, 0]


def test_a_call_that_fails_has_ended():
    calls = Concurrency(1, "calls", lambda _count: None)
    with pytest.raises(ZeroDivisionError), calls.enter():
        raise ZeroDivisionError
    assert calls.count() == 0
