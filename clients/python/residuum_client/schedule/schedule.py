"""Which message is sent when, what becomes of one that failed, and the outcomes in order."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Generic, TypeVar

from residuum_client.errors import (
    DeadlineExceeded,
    InvalidInput,
    Overloaded,
    RecordError,
    ResiduumError,
    Unavailable,
)
from residuum_client.schedule.in_order import InOrder
from residuum_client.schedule.message import Item, Message
from residuum_client.schedule.pace import FIRST_WEIGHT, PARTS, Pace
from residuum_client.schedule.retries import Retries

T = TypeVar("T")
R = TypeVar("R")


class Schedule(Generic[T, R]):
    """The messages of one call over a list or a stream.

    Add items while `hungry`, then send what `next_message` gives, report every message that ended
    with `answered` or `failed`, and take the `outcomes`, until `done`. Times are in seconds;
    `retries` is shared by the calls of a client.
    """

    def __init__(self, noun: str, pace: Pace, retries: Retries | None = None) -> None:
        self.pace = pace
        self._retries = retries or Retries()
        self._ended = False
        # Being filled; full; to be sent again before anything new; sent, with the time; those of
        # them that were not always the only one in flight.
        self._filling: list[Item[T]] = []
        self._filling_weight = 0
        self._full: Message[T] | None = None
        self._again: deque[Message[T]] = deque()
        self._in_flight: dict[Message[T], float] = {}
        self._in_company: set[Message[T]] = set()
        self._not_before = 0.0
        self._outcomes: InOrder[R] = InOrder(noun)
        # Errors of items that found no server: theirs if the server answers others afterwards.
        self._suspects: dict[int, Unavailable] = {}

    @property
    def hungry(self) -> bool:
        """Whether to add another item now."""
        return not (
            self._ended
            or self._full
            or self._again
            # What comes next shows whether suspects are to blame, so they never hold it up.
            or (self._outcomes.too_far_ahead and not (self._suspects and self._idle))
            or len(self._in_flight) >= self.pace.window
        )

    @property
    def done(self) -> bool:
        """Whether every item that was added has an outcome that was taken."""
        return self._ended and self._outcomes.all_taken

    def add(self, value: T, weight: int) -> None:
        """Adds the next item."""
        item = Item(self._outcomes.add(weight), value, weight)
        if self._filling and not (
            item.goes_with(self._filling[0])
            and self.pace.message_fits(len(self._filling) + 1, self._filling_weight + weight)
        ):
            self._complete()
        self._filling.append(item)
        self._filling_weight += weight

    def add_failed(self, error: ResiduumError) -> None:
        """Adds the next item, which could not be loaded."""
        self._outcomes.settle(self._outcomes.add(0), error)

    def end(self) -> None:
        """No item will be added any more."""
        self._ended = True

    def next_message(self, now: float) -> Message[T] | None:
        """The message to send now, if any; it is in flight from now on."""
        if not self._full and self._filling and (self._ended or self._outcomes.too_far_ahead):
            self._complete()
        message = self._first_again() if self._again else self._full
        if message is None or not self._may_be_sent(message, now):
            return None
        if self._again:
            self._again.popleft()
        else:
            self._full = None
        self._in_flight[message] = now
        if len(self._in_flight) > 1:
            self._in_company.update(self._in_flight)
        return message

    def pause(self, now: float) -> float:
        """Seconds until a message may be sent, if none is in flight."""
        return max(0.0, self._not_before - now)

    def answered(
        self, message: Message[T], outcomes: Sequence[R | ResiduumError], now: float
    ) -> None:
        """Reports an answer, with one outcome per item."""
        seconds, _ = self._landed(message, now)
        self._settle_suspects()
        self.pace = self.pace.answered(message.weight, seconds)
        single = len(message.items) == 1
        ended = {i for i, one in enumerate(outcomes) if single or not isinstance(one, Overloaded)}
        for place in ended:
            self._outcomes.settle(message.items[place].index, outcomes[place])
        if len(ended) < len(message.items):
            # In halves if all were refused, so that each item is alone in the end.
            parts = 1 if ended else 2
            self._repeat(message.without(ended).split(parts, alone=message.alone))

    def failed(self, message: Message[T], error: ResiduumError, now: float) -> None:
        """Reports a failure: the message is sent again, in parts, or its one item has failed.

        Raises the error if no single item is to blame for it.
        """
        seconds, in_company = self._landed(message, now)
        if error.index is not None and isinstance(error, InvalidInput | RecordError):
            self._failed_item(message, error, error.index)
        elif isinstance(error, Overloaded):
            self._refused(message, error, in_company, now)
        elif isinstance(error, DeadlineExceeded):
            self._too_late(message, error, in_company, seconds)
        elif isinstance(error, Unavailable):
            self._unavailable(message, error)
        else:
            self._broken(message, error)

    def outcomes(self) -> Iterator[R | ResiduumError]:
        """The outcomes that are next in order, each only once."""
        if self._ended and self._idle:
            self._settle_suspects()
        return self._outcomes.take()

    @property
    def _idle(self) -> bool:
        """Whether no item is waiting to be sent or on its way."""
        return not (self._filling or self._full or self._again or self._in_flight)

    def _first_again(self) -> Message[T]:
        """The first message to be sent again, no larger than what is known to work by now."""
        while not self.pace.message_fits(len(self._again[0].items), self._again[0].weight):
            message = self._again.popleft()
            self._again.extendleft(reversed(message.split(2, alone=message.alone)))
        return self._again[0]

    def _may_be_sent(self, message: Message[T], now: float) -> bool:
        if not self._in_flight:
            return now >= self._not_before
        if message.alone or any(other.alone for other in self._in_flight):
            return False
        weight = message.weight + sum(other.weight for other in self._in_flight)
        return self.pace.in_flight_fits(len(self._in_flight) + 1, weight)

    def _failed_item(self, message: Message[T], error: ResiduumError, place: int) -> None:
        """Ends one item, and sends the others again: the server knows no partial requests."""
        if place >= len(message.items):
            self._broken(message, type(error)(error.reason))
            return
        self._outcomes.settle(message.items[place].index, error)
        if len(message.items) > 1:
            self._repeat([message.without({place})])

    def _refused(self, message: Message[T], error: Overloaded, shared: bool, now: float) -> None:
        """Waits for the other messages; without any, for the server, a few times."""
        asked, wait = now + self.pace.delay(error.retry_delay), self.pace.timeout
        if shared:
            self.pace = self.pace.refused(len(self._in_flight))
            self._not_before = max(self._not_before, asked)
            self._repeat([replace(message, alone=True)])
        elif (again := self._retries.plan(message.refusals, now, asked, wait)) is not None:
            # As a whole: smaller messages would cost a busy server more.
            self._not_before = again
            self._repeat([replace(message, alone=True, refusals=message.refusals + 1)])
        else:
            for item in message.items:
                self._outcomes.settle(item.index, error)

    def _too_late(
        self, message: Message[T], error: DeadlineExceeded, in_company: bool, seconds: float
    ) -> None:
        self.pace = self.pace.too_late(message.weight, seconds)
        if len(message.items) > 1:
            self._repeat(message.split(PARTS, alone=False))
        elif in_company:
            self._repeat([replace(message, alone=True)])
        else:
            self._outcomes.settle(message.items[0].index, error)
            if message.weight <= FIRST_WEIGHT:
                self._silent(error)

    def _unavailable(self, message: Message[T], error: Unavailable) -> None:
        if not self.pace.ever_answered:
            raise error
        self._silent(error)
        if len(message.items) > 1:
            self._repeat(message.split(PARTS, alone=True))
        elif not message.alone:
            self._repeat([replace(message, alone=True)])
        else:
            self._suspects[message.items[0].index] = error

    def _broken(self, message: Message[T], error: ResiduumError) -> None:
        if len(message.items) > 1:
            if isinstance(error, InvalidInput):
                self.pace = self.pace.too_many(len(message.items))
            self._repeat(message.split(2, alone=False))
        elif isinstance(error, InvalidInput):
            raise error
        else:
            self._outcomes.settle(message.items[0].index, error)

    def _landed(self, message: Message[T], now: float) -> tuple[float, bool]:
        """Seconds that a message was in flight, and whether others were at any time."""
        in_company = message in self._in_company
        self._in_company.discard(message)
        return now - self._in_flight.pop(message), in_company

    def _settle_suspects(self) -> None:
        for index, error in self._suspects.items():
            self._outcomes.settle(index, error)
        self._suspects.clear()

    def _silent(self, error: ResiduumError) -> None:
        self.pace = self.pace.silent()
        if self.pace.gone:
            raise error

    def _repeat(self, messages: Sequence[Message[T]]) -> None:
        """Puts messages back, in order of their first items."""
        together = [*messages, *self._again]
        self._again = deque(sorted(together, key=lambda message: message.items[0].index))

    def _complete(self) -> None:
        self._full, self._filling, self._filling_weight = Message(self._filling), [], 0
