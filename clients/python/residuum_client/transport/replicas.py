"""Which of several addresses is asked next."""

import threading
import time
from collections.abc import Callable

# Seconds for which an address that gave no answer is asked only if no other answers.
REST = 1.0
# How often a call asks each address.
ROUNDS = 2


class Replicas:
    """Addresses that take turns. Threads may share it; an address is given by its place."""

    def __init__(self, count: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._next = 0
        self._rests_until = [0.0] * count

    def order(self) -> list[int]:
        """The addresses for one call, in the order in which to ask them until one answers."""
        with self._lock:
            count, first = len(self._rests_until), self._next
            self._next = (first + 1) % count
            places = [(first + i) % count for i in range(count)]
            now = self._clock()
            return sorted(places, key=lambda place: self._rests_until[place] > now) * ROUNDS

    def failed(self, place: int) -> None:
        """Lets an address rest that gave no answer."""
        with self._lock:
            self._rests_until[place] = self._clock() + REST

    def answered(self, place: int) -> None:
        """Ends the rest of an address."""
        with self._lock:
            self._rests_until[place] = 0.0
