"""Calls share the memory of the server: what fits, what is refused, what is given back."""

import gc
import weakref

import pytest

from codec.errors import InvalidInput
from service.runtime.memory import (
    Housekeeping,
    MemoryBudget,
    Need,
    freeze_memory,
    resident_bytes,
    return_free_memory,
)
from service.settings import MIB
from service.status import Busy


@pytest.fixture
def seen():
    return []


@pytest.fixture
def budget(seen):
    return MemoryBudget(10 * MIB, seen.append)


def need(kept, work=0):
    return Need(kept * MIB, work * MIB)


def test_what_calls_keep_adds_up(budget, seen):
    with budget.hold(need(4)), budget.hold(need(6)):
        assert seen[-1] == 10 * MIB
        with pytest.raises(Busy) as caught, budget.hold(need(1)):
            pass
    assert str(caught.value) == (
        "server busy: the call needs about 1 MiB, other calls take 10 MiB, limit 10; retry later"
    )
    assert caught.value.reason == "memory"
    assert seen == [4 * MIB, 10 * MIB, 4 * MIB, 0]


def test_the_largest_work_memory_counts_once(budget, seen):
    with budget.hold(need(1, 7)), budget.hold(need(1, 5)):
        assert seen[-1] == 9 * MIB
        with pytest.raises(Busy), budget.hold(need(0, 9)):
            pass


def test_a_call_that_can_never_fit_is_an_invalid_input(budget):
    with pytest.raises(InvalidInput) as caught, budget.hold(need(4, 7)):
        pass
    assert str(caught.value) == (
        "the call needs about 11 MiB, expected at most 10 (max-decoded-mb of the server); "
        "send fewer or smaller images"
    )


def test_small_calls_are_not_counted(budget, seen):
    with budget.hold(need(10)), budget.hold(Need(MIB // 2, MIB // 2 - 1)):
        assert seen[-1] == 10 * MIB


def test_memory_is_given_back_when_a_call_fails(budget):
    with pytest.raises(ZeroDivisionError), budget.hold(need(10)):
        raise ZeroDivisionError
    with budget.hold(need(10)):
        pass


class Process:
    """MiB in use, of which a part can be given back."""

    def __init__(self, used=100):
        self.used, self.free = used, 0
        self.given_back = 0

    def housekeeping(self):
        return Housekeeping(lambda: (self.used + self.free) * MIB, self.give_back)

    def give_back(self):
        self.free = 0
        self.given_back += 1


def test_memory_is_given_back_after_it_has_grown_and_not_all_the_time():
    process = Process()
    housekeeping = process.housekeeping()
    process.free = 20
    housekeeping.look()
    assert process.given_back == 0
    process.free = 100
    housekeeping.look()
    housekeeping.look()
    assert (process.free, process.given_back) == (0, 1)


def test_memory_that_was_still_in_use_is_given_back_later():
    process = Process()
    housekeeping = process.housekeeping()
    process.used = 900
    for _ in range(3):
        housekeeping.look()
    process.used, process.free = 100, 800
    for _ in range(4):
        housekeeping.look()
    assert process.free == 0


def test_memory_that_stays_in_use_is_looked_at_now_and_then():
    process = Process()
    housekeeping = process.housekeeping()
    process.used = 900
    for _ in range(40):
        housekeeping.look()
    assert process.given_back == 10


def test_the_memory_of_this_process_is_known():
    assert resident_bytes() > 10 * MIB


class Model:
    """Refers to itself, as the graphs of a model do."""

    def __init__(self):
        self.itself = self


def test_a_model_that_was_replaced_is_collected_when_memory_is_given_back():
    model = Model()
    replaced = weakref.ref(model)
    try:
        freeze_memory()
        del model
        gc.collect()
        assert replaced() is not None
        return_free_memory()
        assert replaced() is None
    finally:
        gc.unfreeze()
