"""When a client repeats what a busy server has refused."""

import itertools
import threading
from collections import Counter
from typing import final

# A message that was refused is sent again after these pauses, seconds, or later if the server asks
# for it.
PAUSES = (0.1, 0.2, 0.4, 0.8, 1.6)
# Seconds of an interval, and most repetitions in each.
INTERVAL, IN_INTERVAL = 0.1, 5


@final
class Retries:
    """The repetitions of all calls of a client, at most 50 in a second. Thread-safe.

    If every call repeated at will what was refused, an overloaded server would get little but
    repetitions, and each of them costs it time that it could spend on an answer.
    """

    def __init__(self) -> None:
        # Repetitions in each interval, by the number of the interval.
        self._planned: Counter[int] = Counter()
        self._lock = threading.Lock()

    def plan(self, refusals: int, now: float, asked: float, patience: float) -> float | None:
        """When to send a message again, not before the server asked; this takes the moment.

        None if it was refused too often, or would be sent later than it should by `patience`.
        """
        if refusals == len(PAUSES):
            return None
        earliest = max(asked, now + PAUSES[refusals])
        with self._lock:
            for past in [place for place in self._planned if place < now // INTERVAL]:
                del self._planned[past]
            places = itertools.count(int(earliest // INTERVAL))
            place = next(one for one in places if self._planned[one] < IN_INTERVAL)
            at = max(earliest, place * INTERVAL)
            if at > earliest + patience:
                return None
            self._planned[place] += 1
            return at
