"""Images or records on their way, one by one and as the content of a message."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic, Self, TypeVar

import numpy as np

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Item(Generic[T]):
    """An image or record, loaded once, with its index in the caller's list.

    `weight` is the number of its bytes or of its pixels, whichever are more.
    """

    index: int
    value: T
    weight: int

    def goes_with(self, other: "Item[T]") -> bool:
        """Whether one message can hold both: files together, arrays of one shape together."""
        return _shape(self.value) == _shape(other.value)


@dataclass(frozen=True, slots=True, eq=False)
class Message(Generic[T]):
    """Items of one call.

    One that failed is sent again `alone`: with no other message in flight. `refusals` counts how
    often a server refused it even so.
    """

    items: Sequence[Item[T]]
    alone: bool = False
    refusals: int = 0

    @property
    def weight(self) -> int:
        """The weight of all items."""
        return sum(item.weight for item in self.items)

    @property
    def values(self) -> list[T]:
        """What to send."""
        return [item.value for item in self.items]

    def split(self, parts: int, *, alone: bool) -> list[Self]:
        """The same items in up to `parts` messages."""
        size = -(-len(self.items) // parts)
        starts = range(0, len(self.items), size)
        return [replace(self, items=self.items[i : i + size], alone=alone) for i in starts]

    def without(self, places: set[int]) -> Self:
        """The message without the items at these places."""
        left = [item for place, item in enumerate(self.items) if place not in places]
        return replace(self, items=left)


def _shape(value: object) -> tuple[int, ...]:
    return value.shape if isinstance(value, np.ndarray) else ()
