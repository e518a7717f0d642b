"""How much to send at a time, from what the answers so far have shown."""

import math
from dataclasses import dataclass, replace

# Throughput peaks here: larger messages wait longer, smaller ones cost more per image. With framing
# it stays below 1 MiB, the lowest limit that a server can be configured with.
MESSAGE_WEIGHT = 1_000_000
MESSAGE_ITEMS = 256
# Messages in flight at once: enough that a server never waits for the next one.
IN_FLIGHT = 4
# Before the first answer: 0.1 s of work for a slow model.
FIRST_WEIGHT = 1 << 18
# How long the work of one message may take, in seconds and as a part of the timeout; and all
# messages in flight together.
MESSAGE_SECONDS = 0.5
MESSAGE_PART = 1 / 8
IN_FLIGHT_PART = 1 / 2
# What is left of older measurements with each new one.
MEMORY = 0.8
# Answers after a refusal until one message more is in flight again.
PATIENCE = 16
# A server that answers nothing more is taken for gone after this number of failures.
GONE = 5
# Parts in which a message is sent again that was too late, or found no server: trying takes long.
PARTS = 8


@dataclass(frozen=True, slots=True)
class Pace:
    """What is known about a server; every method returns a new state.

    `seconds` and `weight` are sums over the answered messages, in which older ones count less:
    their quotient is how long a server takes for a unit of weight while messages share it.
    `largest` is the most weight of a message, `items` the most items, `window` the most messages in
    flight.
    """

    timeout: float = math.inf
    items: int = MESSAGE_ITEMS
    seconds: float = 0.0
    weight: float = 0.0
    largest: int = FIRST_WEIGHT
    window: int = IN_FLIGHT
    answers: int = 0
    failures: int = 0
    ever_answered: bool = False

    def expected(self, weight: int) -> float:
        """Seconds that a message of this weight takes; 0 before the first measurement."""
        return self.seconds / self.weight * weight if self.weight else 0.0

    def message_fits(self, items: int, weight: int) -> bool:
        """Whether a message of this size is small enough. One item always is."""
        limit = min(MESSAGE_SECONDS, self.timeout * MESSAGE_PART)
        return items <= 1 or (
            items <= self.items and weight <= self.largest and self.expected(weight) <= limit
        )

    def in_flight_fits(self, messages: int, weight: int) -> bool:
        """Whether these messages may be in flight together. One always may."""
        return messages <= 1 or (
            messages <= self.window
            and self.expected(weight) <= self.timeout * IN_FLIGHT_PART
            and (self.weight > 0 or weight <= IN_FLIGHT * MESSAGE_WEIGHT)
        )

    def delay(self, asked: float | None) -> float:
        """Seconds to wait if a server asks for these: at most the timeout of a message."""
        return min(asked or 0.0, self.timeout)

    def answered(self, weight: int, seconds: float) -> "Pace":
        """After an answer: messages grow, and later their number."""
        patient = self.answers + 1 >= PATIENCE
        return replace(
            self._measured(weight, seconds),
            largest=min(2 * self.largest, MESSAGE_WEIGHT),
            answers=0 if patient else self.answers + 1,
            window=min(self.window + patient, IN_FLIGHT),
            failures=0,
            ever_answered=True,
        )

    def refused(self, others: int) -> "Pace":
        """After a refusal while `others` were in flight: these are as many as the server takes."""
        return replace(self, window=max(1, min(self.window, others)), answers=0)

    def too_late(self, weight: int, seconds: float) -> "Pace":
        """After a message that was not answered in time."""
        largest = max(1, min(self.largest, weight // PARTS))
        return replace(self._measured(weight, seconds), largest=largest)

    def too_many(self, items: int) -> "Pace":
        """After a server took fewer items than these in one message; its limit does not change."""
        return replace(self, items=max(1, items // 2))

    def silent(self) -> "Pace":
        """After a failure that a server which is gone would cause."""
        return replace(self, failures=self.failures + 1)

    @property
    def gone(self) -> bool:
        """Whether to give up."""
        return self.failures >= GONE

    def _measured(self, weight: int, seconds: float) -> "Pace":
        return replace(
            self,
            seconds=MEMORY * self.seconds + seconds,
            weight=MEMORY * self.weight + weight,
        )
