"""Messages in virtual time: a server with limits answers a schedule, without a connection."""

import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from residuum_client.errors import (
    DeadlineExceeded,
    InvalidInput,
    Overloaded,
    RecordError,
    ResiduumError,
    ServerError,
    Unavailable,
)
from residuum_client.schedule import IN_FLIGHT, Message, Pace, Schedule

TIMEOUT = 3.0
BROKEN = -1


@dataclass
class Server:
    """Answers messages of weights; each result is the weight. Cores are shared evenly.

    It refuses more than `calls` at a time, takes `seconds` for a unit of weight and fails where
    `fault` of the weights says so. With `partial`, an item of weight BROKEN fails by itself.
    """

    calls: int = 100
    seconds: float = 1e-7
    cores: int = 2
    most_items: int = 1000
    partial: bool = True
    fault: Callable[[list[int]], ResiduumError | None] = lambda weights: None
    computed: Counter = field(default_factory=Counter)
    sizes: list[int] = field(default_factory=list)
    refusals: int = 0

    def takes(self, message: Message, in_flight: int) -> tuple[float, object]:
        """Seconds until the end of a call, and how it ends."""
        weights = message.values
        self.sizes.append(len(weights))
        if in_flight > self.calls:
            self.refusals += 1
            return 0.001, Overloaded("busy")
        if len(weights) > self.most_items:
            return 0.001, InvalidInput(f"{len(weights)} images, expected 1 to {self.most_items}")
        if error := self.fault(weights):
            return 0.01, error
        if not self.partial and BROKEN in weights:
            place = weights.index(BROKEN)
            return 0.01, InvalidInput(f"image {place}: broken", index=place)
        seconds = 0.001 + self.seconds * sum(map(abs, weights)) * max(1, in_flight / self.cores)
        if seconds > TIMEOUT:
            return TIMEOUT, DeadlineExceeded("too late")
        self.computed.update(weights)
        return seconds, [InvalidInput("broken") if w == BROKEN else w for w in weights]


@dataclass
class Run:
    """What came out, how many items were loaded and not taken at most, and the virtual time."""

    outcomes: list[object]
    ahead: int = 0
    in_flight: int = 0
    seconds: float = 0.0


def run(weights: Iterable[int], server: Server, most: int | None = None) -> Run:
    schedule: Schedule[int, int] = Schedule("image", Pace(TIMEOUT))
    source: Iterator[int] = iter(weights)
    calls: list[tuple[float, int, Message, object]] = []
    result, order, loaded = Run([]), itertools.count(), 0
    now = 0.0
    steps = itertools.count()
    while not schedule.done and (most is None or len(result.outcomes) < most):
        assert next(steps) < 10**5, "the schedule does not end"
        while schedule.hungry:
            weight = next(source, None)
            if weight is None:
                schedule.end()
            else:
                schedule.add(weight, abs(weight))
                loaded += 1
        if message := schedule.next_message(now):
            seconds, end = server.takes(message, len(calls) + 1)
            heapq.heappush(calls, (now + seconds, next(order), message, end))
            continue
        result.in_flight = max(result.in_flight, len(calls))
        result.ahead = max(result.ahead, loaded - len(result.outcomes))
        result.outcomes += schedule.outcomes()
        if calls:
            now, _, message, end = heapq.heappop(calls)
            if isinstance(end, ResiduumError):
                schedule.failed(message, end, now)
            else:
                schedule.answered(message, end, now)
        else:
            now += schedule.pause(now)
    result.seconds = now
    return result


def errors(outcomes: list[object]) -> dict[int, type]:
    return {i: type(one) for i, one in enumerate(outcomes) if isinstance(one, Exception)}


weights = st.lists(
    st.one_of(st.integers(100, 50_000), st.just(BROKEN), st.integers(10**6, 10**8)), max_size=60
)


@given(weights, st.integers(1, 5), st.integers(1, 30), st.booleans(), st.floats(1e-9, 1e-5))
def test_every_item_has_one_outcome_in_order_whatever_the_server_takes(
    weights, calls, most_items, partial, seconds
):
    server = Server(calls, seconds, most_items=most_items, partial=partial)
    server.fault = lambda sent: ServerError("failed") if 777 in sent else None
    slow = {w for w in weights if 0.001 + seconds * w > TIMEOUT}
    try:
        outcomes = run(weights, server).outcomes
    except DeadlineExceeded:
        assert any(w <= 2**18 for w in slow)
        return
    assert len(outcomes) == len(weights)
    for index, (weight, outcome) in enumerate(zip(weights, outcomes, strict=True)):
        if weight == BROKEN:
            assert isinstance(outcome, InvalidInput)
            assert str(outcome) == f"image {index}: broken"
        elif weight in slow:
            assert isinstance(outcome, DeadlineExceeded)
            assert outcome.index == index
        else:
            assert outcome == weight


KINDS = (Overloaded, Unavailable, DeadlineExceeded, ServerError, InvalidInput, RecordError)


@settings(max_examples=500)
@given(
    weights,
    st.sets(st.sampled_from(KINDS), min_size=1),
    st.sampled_from((0.1, 0.5, 0.9)),
    st.randoms(use_true_random=False),
)
def test_a_call_ends_with_an_error_or_one_outcome_per_item_whatever_fails(
    weights, kinds, share, chance
):

    def fault(sent: list[int]) -> ResiduumError | None:
        kind = chance.choice(sorted(kinds, key=KINDS.index))
        place = chance.choice((None, chance.randrange(len(sent))))
        return kind("failed", index=place) if chance.random() < share else None

    try:
        outcomes = run(weights, Server(seconds=1e-9, fault=fault)).outcomes
    except (Unavailable, DeadlineExceeded, InvalidInput):
        return
    assert len(outcomes) == len(weights)
    for index, (weight, outcome) in enumerate(zip(weights, outcomes, strict=True)):
        assert outcome == weight or outcome.index == index


def test_each_good_item_is_computed_once_by_a_server_of_partial_requests():
    server = Server()
    weights = [100 + i for i in range(5000)]
    weights[::97] = [BROKEN] * len(weights[::97])
    assert len(run(weights, server).outcomes) == 5000
    assert set(server.computed.values()) - {server.computed[BROKEN]} == {1}


def test_an_older_server_gets_the_others_again_without_the_broken_one():
    outcomes = run([100] * 50 + [BROKEN] + [100] * 50, Server(partial=False)).outcomes
    assert errors(outcomes) == {50: InvalidInput}


def test_nothing_is_refused_in_the_end_because_of_other_messages_of_the_same_client():
    server = Server(calls=1)
    result = run([200_000] * 300, server)
    assert errors(result.outcomes) == {}
    assert server.refusals < len(server.sizes) / 4


def test_after_refusals_fewer_messages_are_in_flight_and_later_more_again():
    pace = Pace().refused(3).refused(2).refused(1)
    assert pace.window == 1
    for _ in range(16 * IN_FLIGHT):
        pace = pace.answered(1000, 0.01)
    assert pace.window == IN_FLIGHT


def test_one_item_that_is_too_slow_costs_only_itself():
    weights = [3_000] * 20 + [9_437_184] + [3_000] * 20
    server = Server(seconds=1e-6)
    assert errors(run(weights, server).outcomes) == {20: DeadlineExceeded}
    assert server.computed[3_000] == 40


def test_a_slow_item_is_done_if_it_can_be_done_alone():
    weights = [3_000] * 400 + [9_437_184] * 3 + [3_000] * 400
    assert errors(run(weights, Server(seconds=2.9e-7)).outcomes) == {}


def test_one_item_that_breaks_the_server_costs_only_itself():
    def fault(weights):
        return ServerError("INTERNAL") if 777 in weights else None

    server = Server(fault=fault)
    outcomes = run([100] * 200 + [777] + [100] * 200, server).outcomes
    assert errors(outcomes) == {200: ServerError}
    assert str(outcomes[200]) == "image 200: INTERNAL"
    assert len(server.sizes) < 25


def test_a_limit_of_items_is_learned_once():
    server = Server(most_items=4)
    assert errors(run([100] * 2000, server).outcomes) == {}
    too_many = [size for size in server.sizes if size > 4]
    assert len(too_many) < 50


def test_what_no_item_is_to_blame_for_is_raised():
    error = InvalidInput("quality is 99, the model has levels 0..16")
    with pytest.raises(InvalidInput, match="quality is 99"):
        run([100] * 300, Server(fault=lambda weights: error))


def test_lasting_overload_is_the_outcome_of_each_after_pauses():
    result = run([100] * 3, Server(calls=0))
    assert errors(result.outcomes) == dict.fromkeys(range(3), Overloaded)
    assert result.seconds > 3


def test_a_busy_server_gets_a_refused_message_as_a_whole():
    server = Server(calls=0)
    assert errors(run([100] * 64, server).outcomes) == dict.fromkeys(range(64), Overloaded)
    assert server.sizes == [64] * 6


def test_a_server_that_never_answers_is_given_up_at_once():
    server = Server(fault=lambda weights: Unavailable("refused"))
    with pytest.raises(Unavailable):
        run([100] * 1000, server)
    assert len(server.sizes) <= IN_FLIGHT


def test_a_server_that_is_gone_later_is_given_up_after_a_few_attempts():
    answers = itertools.count()
    server = Server(fault=lambda weights: Unavailable("gone") if next(answers) > 9 else None)
    with pytest.raises(Unavailable):
        run([300_000] * 1000, server)
    assert len(server.sizes) < 20


def test_an_item_that_ends_its_server_costs_only_itself():
    def fault(weights):
        return Unavailable("crashed") if 777 in weights else None

    weights = [100] * 300 + [777] + [100] * 300 + [777]
    outcomes = run(weights, Server(fault=fault)).outcomes
    assert errors(outcomes) == {300: Unavailable, 601: Unavailable}


def test_a_large_item_that_ends_its_server_does_not_stop_the_stream():
    server = Server(fault=lambda sent: Unavailable("no server") if 16 * 10**6 in sent else None)
    outcomes = run([1, 16 * 10**6, *range(100, 200)], server).outcomes
    assert outcomes[2:] == [*range(100, 200)]
    assert errors(outcomes) == {1: Unavailable}


def test_a_server_that_takes_no_item_of_a_message_is_asked_for_each_alone():
    schedule: Schedule[int, int] = Schedule("image", Pace(TIMEOUT))
    for weight in range(1, 8):
        schedule.add(weight, weight)
    schedule.end()
    while message := schedule.next_message(0.0):
        schedule.answered(message, [Overloaded("too many pixels") for _ in message.items], 0.0)
    assert errors(list(schedule.outcomes())) == dict.fromkeys(range(7), Overloaded)
    assert schedule.done


def test_no_item_is_blamed_for_a_server_that_is_gone():
    def fault(weights):
        return Unavailable("gone") if max(weights) >= 5000 else None

    with pytest.raises(Unavailable, match=r"^gone$"):
        run(range(4400, 6000), Server(fault=fault))


def test_a_server_that_is_back_after_two_failures_has_lost_nothing():
    answers = itertools.count()
    server = Server(fault=lambda weights: Unavailable("") if next(answers) in (5, 6) else None)
    assert errors(run([100] * 5000, server).outcomes) == {}


def test_a_server_that_hangs_is_given_up():
    server = Server(fault=lambda weights: DeadlineExceeded("late"))
    with pytest.raises(DeadlineExceeded):
        run([100] * 1000, server)
    assert len(server.sizes) < 40


def test_messages_grow_to_half_a_second_of_work_and_no_further():
    server = Server(seconds=1e-5, cores=4)
    run([784] * 4000, server)
    assert 0.05 < max(server.sizes[8:]) * 784e-5 <= 0.5


def test_an_endless_stream_is_loaded_a_little_ahead():
    result = run(itertools.repeat(784), Server(), most=20_000)
    assert result.ahead < 3000
    assert result.in_flight == IN_FLIGHT


def test_large_items_are_not_loaded_far_ahead():
    assert run([10_000_000] * 50, Server(seconds=1e-8)).ahead <= 4


def test_items_that_cannot_be_loaded_keep_their_place():
    schedule: Schedule[int, int] = Schedule("record", Pace())
    schedule.add_failed(RecordError("no bytes"))
    schedule.add(5, 5)
    schedule.add_failed(InvalidInput("text"))
    schedule.end()
    message = schedule.next_message(0.0)
    schedule.answered(message, [5], 1.0)
    first, second, third = schedule.outcomes()
    assert (str(first), second, str(third)) == ("record 0: no bytes", 5, "record 2: text")
    assert schedule.done


def test_items_beyond_the_pixels_of_a_request_are_sent_in_another():
    schedule: Schedule[int, int] = Schedule("image", Pace())
    for weight in (7, 8, 9):
        schedule.add(weight, weight)
    schedule.end()
    message = schedule.next_message(0.0)
    schedule.answered(message, [7, Overloaded("too many pixels"), 9], 0.1)
    again = schedule.next_message(0.1)
    assert again.values == [8]
    schedule.answered(again, [8], 0.2)
    assert list(schedule.outcomes()) == [7, 8, 9]


@given(st.lists(st.sampled_from([(2, 3, 1), (3, 2, 1), None]), min_size=1, max_size=40))
def test_a_message_holds_files_or_arrays_of_one_shape(shapes):
    schedule: Schedule[object, object] = Schedule("image", Pace())
    messages = []
    for shape in [*shapes, "end"]:
        if shape == "end":
            schedule.end()
        else:
            schedule.add(b"file" if shape is None else np.zeros(shape, np.uint8), 6)
        while message := schedule.next_message(0.0):
            messages.append(message)
            schedule.answered(message, message.values, 0.0)
    values = [value for message in messages for value in message.values]
    assert len(values) == len(shapes)
    for message in messages:
        assert len({getattr(value, "shape", None) for value in message.values}) == 1


def busy(schedule: Schedule, message: Message, now: float, delay: float | None) -> None:
    schedule.failed(message, Overloaded("busy", retry_delay=delay), now)


def test_a_refused_message_waits_as_long_as_the_server_asks():
    schedule: Schedule[int, int] = Schedule("image", Pace(TIMEOUT))
    schedule.add(1, 1)
    schedule.end()
    now = 0.0
    for delay in (0.7, 0.9, 1.1):
        busy(schedule, schedule.next_message(now), now, delay)
        assert schedule.next_message(now + delay - 0.01) is None
        assert schedule.pause(now) == pytest.approx(delay)
        now += delay
    assert schedule.next_message(now) is not None


def test_the_pauses_grow_although_the_server_asks_for_less():
    schedule: Schedule[int, int] = Schedule("image", Pace(TIMEOUT))
    schedule.add(1, 1)
    schedule.end()
    now, pauses = 0.0, []
    while (message := schedule.next_message(now)) is not None:
        busy(schedule, message, now, 0.15)
        pauses.append(schedule.pause(now))
        now += pauses[-1]
    (error,) = schedule.outcomes()
    assert pauses == pytest.approx([0.15, 0.2, 0.4, 0.8, 1.6, 0.0])
    assert (str(error), error.retry_delay) == ("image 0: busy", 0.15)


def test_no_delay_is_longer_than_the_timeout():
    schedule: Schedule[int, int] = Schedule("image", Pace(TIMEOUT))
    schedule.add(1, 1)
    schedule.end()
    busy(schedule, schedule.next_message(0.0), 0.0, 3600.0)
    assert schedule.pause(0.0) == TIMEOUT


def test_a_delay_counts_also_for_what_was_refused_among_other_messages():
    schedule: Schedule[int, int] = Schedule("image", Pace(TIMEOUT))
    for _ in range(4):
        schedule.add(1, 10**6)
    first = schedule.next_message(0.0)
    schedule.end()
    second = schedule.next_message(0.0)
    assert first is not None
    assert second is not None
    busy(schedule, second, 0.1, 0.5)
    schedule.answered(first, [1], 0.2)
    assert schedule.next_message(0.5) is None
    assert schedule.next_message(0.6).items == second.items
