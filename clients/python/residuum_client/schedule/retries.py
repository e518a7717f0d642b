"""How many calls of a client repeat at a time what a busy server has refused."""

import threading
from typing import final

# Calls that repeat at a time.
MOST_RETRYING = 4


@final
class Retries:
    """The calls of one client that wait to repeat what was refused. Thread-safe.

    If all calls did so, an overloaded server would get little but repetitions, and each of them
    costs it time that it could spend on an answer.
    """

    def __init__(self, most: int = MOST_RETRYING) -> None:
        self._most = most
        self._calls: set[object] = set()
        self._lock = threading.Lock()

    def begin(self, call: object) -> bool:
        """Whether a call may repeat what was refused; it counts until `end`."""
        with self._lock:
            if call not in self._calls and len(self._calls) >= self._most:
                return False
            self._calls.add(call)
            return True

    def end(self, call: object) -> None:
        """The call does not repeat anything, or no longer."""
        with self._lock:
            self._calls.discard(call)
