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


def test_memory_is_given_back_after_it_has_grown_and_not_all_the_time():
    sizes, given_back = iter([100, 110, 200, 130, 140]), []
    housekeeping = Housekeeping(lambda: next(sizes) * MIB, lambda: given_back.append(True))
    housekeeping.look()
    assert not given_back
    housekeeping.look()  # 200 MiB, 130 MiB afterwards
    assert len(given_back) == 1
    housekeeping.look()
    assert len(given_back) == 1


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
