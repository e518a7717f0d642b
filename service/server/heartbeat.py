"""Heartbeats of a serving process for its supervisor, which kills it when they stay away."""

import contextlib
import os
import threading
import time
from collections.abc import Callable
from typing import final

# Between two heartbeats; after which a process no longer counts as ready, and after which it is
# killed; seconds.
BEAT_SECONDS, LATE_SECONDS, HUNG_SECONDS = 5.0, 15.0, 60.0
# A slice of work that takes longer never ends, seconds; it usually takes a fiftieth of a second.
_STUCK_SECONDS = 120.0


@final
class Heartbeat:
    """Writes a byte to a file descriptor every few seconds while this process can work.

    `computing` gives the seconds for which the executor has computed its present slice.
    """

    def __init__(self, descriptor: int, computing: Callable[[], float]) -> None:
        os.set_blocking(descriptor, False)  # a supervisor that does not read holds up nothing
        self._descriptor = descriptor
        self._computing = computing

    def start(self) -> None:
        """Writes in a thread from now on."""
        threading.Thread(target=self._work, name="heartbeat", daemon=True).start()

    def beat(self) -> None:
        """Writes once, unless the executor is stuck."""
        if self._computing() < _STUCK_SECONDS:
            with contextlib.suppress(OSError):
                os.write(self._descriptor, b".")

    def _work(self) -> None:
        while True:
            self.beat()
            time.sleep(BEAT_SECONDS)
