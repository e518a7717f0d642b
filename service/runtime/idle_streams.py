"""Ends streams whose clients send nothing for a while: each keeps a thread of the server."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import final

import grpc


@final
class IdleStreams:
    """Cancels streams that wait for a message for longer than `seconds`."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        # Since when each stream waits for its next message.
        self._waiting: dict[grpc.ServicerContext, float] = {}
        self._changed = threading.Condition()
        threading.Thread(target=self._work, name="idle streams", daemon=True).start()

    @contextmanager
    def wait(self, context: grpc.ServicerContext) -> Iterator[None]:
        """Counts a stream as waiting for a block."""
        with self._changed:
            if not self._waiting:
                self._changed.notify()
            self._waiting[context] = self._clock()
        try:
            yield
        finally:
            with self._changed:
                self._waiting.pop(context, None)

    def cancel_idle(self) -> float | None:
        """Cancels the streams that waited for too long. Returns seconds until the next might."""
        with self._changed:
            oldest_allowed = self._clock() - self._seconds
            idle = [one for one, since in self._waiting.items() if since <= oldest_allowed]
            for context in idle:
                del self._waiting[context]
            left = [since - oldest_allowed for since in self._waiting.values()]
        for context in idle:
            context.cancel()  # type: ignore[no-untyped-call]
        return min(left, default=None)

    def _work(self) -> None:
        while True:
            seconds = self.cancel_idle()
            with self._changed:
                if seconds is not None:
                    self._changed.wait(seconds)
                elif not self._waiting:
                    self._changed.wait()
