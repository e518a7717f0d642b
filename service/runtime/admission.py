"""Admission control: a call that would miss its deadline is rejected before it costs anything.

All calls in progress share the machine, so a call is expected to take as long as all their images
together. The time per image is a running mean over finished calls. Without admission control, a
server at twice its capacity answers almost every call too late.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import final

from codec.errors import Overloaded

# A call is admitted if it is expected to finish in half of its remaining time: estimates are rough.
_SAFETY_FACTOR = 2.0
# Weight of the newest call in the running mean of the time per image.
_NEWEST_WEIGHT = 0.1
# Each rejection lowers the estimate a little, so that a wrong one cannot reject calls forever.
_REJECTION_DECAY = 0.98


@final
class Admission:
    """Counts the calls in progress and their images; `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._calls = 0
        self._images = 0
        self._seconds_per_image = 0.0

    def in_progress(self) -> int:
        """Number of calls in progress."""
        return self._calls

    @contextmanager
    def admit(self, images: int, seconds_left: float) -> Iterator[None]:
        """Counts a call with `images` images while it runs.

        Raises Overloaded if the call is not expected to finish within `seconds_left`. A call
        without images, or on an idle server, is always admitted.
        """
        images_at_start = self._enter(images, seconds_left)
        started = self._clock()
        try:
            yield
            if images:
                mean_images = (images_at_start + self._images) / 2.0
                self._update_estimate((self._clock() - started) / mean_images)
        finally:
            with self._lock:
                self._calls -= 1
                self._images -= images

    def _enter(self, images: int, seconds_left: float) -> int:
        with self._lock:
            total = self._images + images
            expected = total * self._seconds_per_image
            if images and self._calls and expected * _SAFETY_FACTOR > seconds_left:
                self._seconds_per_image *= _REJECTION_DECAY
                raise Overloaded(
                    f"server busy: about {expected:.2f} s of work queued, "
                    f"deadline in {seconds_left:.2f} s; retry later"
                )
            self._calls += 1
            self._images = total
            return total

    def _update_estimate(self, seconds_per_image: float) -> None:
        with self._lock:
            self._seconds_per_image += _NEWEST_WEIGHT * (
                seconds_per_image - self._seconds_per_image
            )
