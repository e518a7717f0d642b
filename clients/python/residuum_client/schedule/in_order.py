"""Outcomes that become known in any order, given out in that of the items."""

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

from residuum_client.errors import ResiduumError
from residuum_client.schedule.pace import MESSAGE_WEIGHT

R = TypeVar("R")
# Most items whose outcomes were not taken yet, to bound the memory.
AHEAD_WEIGHT = 16 * MESSAGE_WEIGHT
AHEAD_ITEMS = 4096


class InOrder(Generic[R]):
    """The outcomes of numbered items; errors get the place of theirs: `noun` and index."""

    def __init__(self, noun: str) -> None:
        self._noun = noun
        self._added = self._taken = 0
        self._outcomes: dict[int, R | ResiduumError] = {}
        self._weights: deque[int] = deque()
        self._weight = 0

    @property
    def too_far_ahead(self) -> bool:
        """Whether outcomes should be taken before more items are added."""
        return len(self._weights) >= AHEAD_ITEMS or self._weight >= AHEAD_WEIGHT

    @property
    def all_taken(self) -> bool:
        """Whether the outcome of every item was taken."""
        return self._taken == self._added

    def add(self, weight: int) -> int:
        """Adds an item without an outcome; its index."""
        self._added += 1
        self._weights.append(weight)
        self._weight += weight
        return self._added - 1

    def settle(self, index: int, outcome: R | ResiduumError) -> None:
        """Sets the outcome of an item."""
        if isinstance(outcome, ResiduumError):
            outcome = outcome.at(self._noun, index)
        self._outcomes[index] = outcome

    def take(self) -> Iterator[R | ResiduumError]:
        """The outcomes that are next in order, each only once."""
        while self._taken in self._outcomes:
            outcome = self._outcomes.pop(self._taken)
            self._taken += 1
            self._weight -= self._weights.popleft()
            yield outcome
