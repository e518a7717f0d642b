"""Admission: a call that would not end before its deadline is refused before it costs anything.

All calls in progress share the machine, so a call is expected to take as long as their images
together. The time per image is learnt from the calls that end, on whatever machine this is. Without
this, a server with twice the load that it can carry answers almost everything too late.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

from codec.errors import Overloaded

# A call is admitted if it is expected to end in half the time it has: expectations are rough.
_CAUTION = 2.0
# Weight of the newest call in the running mean of the time per image.
_NEWEST = 0.1
# A refusal lowers the expectation a little, so that a wrong one cannot refuse for ever.
_HOPE = 0.98


@final
class Admission:
    """Counts the calls in progress and their images."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls = 0
        self._images = 0
        self._image_seconds = 0.0

    def in_progress(self) -> int:
        """How many calls are being answered now."""
        return self._calls

    @contextmanager
    def admit(self, images: int, seconds_left: float) -> Iterator[None]:
        """Counts a call of so many images while it lasts. Raises Overloaded if it would be late.

        A call without images is always let in.
        """
        before = self._enter(images, seconds_left)
        started = time.monotonic()
        try:
            yield
            if images:
                self._learn((time.monotonic() - started) * 2.0 / (before + self._images))
        finally:
            with self._lock:
                self._calls -= 1
                self._images -= images

    def _enter(self, images: int, seconds_left: float) -> int:
        with self._lock:
            total = self._images + images
            expected = total * self._image_seconds
            # An idle server takes whatever comes: it cannot be answered any sooner.
            if images and self._calls and expected * _CAUTION > seconds_left:
                self._image_seconds *= _HOPE
                raise Overloaded(
                    f"{self._images} images are in progress, with these about {expected:.2f} s of "
                    f"work, and the deadline of this call is in {seconds_left:.2f} s; "
                    "try again later"
                )
            self._calls += 1
            self._images = total
            return total

    def _learn(self, image_seconds: float) -> None:
        with self._lock:
            self._image_seconds += _NEWEST * (image_seconds - self._image_seconds)
