"""Admission control: a call that would miss its deadline is rejected before it costs anything.

All calls in progress share the machine, so a call is expected to take as long as all their images
together. The time per image is the time in which calls were in progress, divided by the images that
were finished in it. Calls that were given up took time and finished nothing; images with an error
are finished. Without admission control, a server at twice its capacity answers almost every call
too late.
"""

import math
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import final

from codec.errors import Overloaded

# A call is admitted if it is expected to finish in two thirds of its remaining time: estimates are
# rough, and calls that come later share the machine with it.
_SAFETY_FACTOR = 1.5
# The time and the images of the past count by exp(-age / this), with the age in seconds of work.
_MEMORY_SECONDS = 3.0


@final
class Admission:
    """Counts the calls in progress and their images; `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._calls = 0
        self._images = 0
        # Recent seconds with images in progress up to the last end of a call, and the images that
        # were finished in them; such seconds since then, up to a moment of the clock.
        self._busy = 0.0
        self._finished = 0.0
        self._since_last_end = 0.0
        self._counted_to = 0.0

    def in_progress(self) -> int:
        """Number of calls in progress."""
        return self._calls

    @contextmanager
    def admit(self, images: int, seconds_left: float) -> Iterator[None]:
        """Counts a call with `images` images while it runs.

        Raises Overloaded if the call is not expected to finish within `seconds_left`. A call
        without images, or on an idle server, is always admitted.
        """
        self._enter(images, seconds_left)
        finished = images
        try:
            yield
        except (CancelledError, Overloaded):
            finished = 0
            raise
        finally:
            self._leave(images, finished)

    def _enter(self, images: int, seconds_left: float) -> None:
        with self._lock:
            self._count_time()
            total = self._images + images
            expected = total * self._seconds_per_image()
            if images and self._calls and expected * _SAFETY_FACTOR > seconds_left:
                raise Overloaded(
                    f"server busy: about {expected:.2f} s of work queued, "
                    f"deadline in {seconds_left:.2f} s; retry later"
                )
            self._calls += 1
            self._images = total

    def _leave(self, images: int, finished: int) -> None:
        with self._lock:
            self._count_time()
            self._calls -= 1
            self._images -= images
            if images:
                kept = math.exp(-self._since_last_end / _MEMORY_SECONDS)
                self._busy = self._busy * kept + self._since_last_end
                self._finished = self._finished * kept + finished
                self._since_last_end = 0.0

    def _count_time(self) -> None:
        now = self._clock()
        if self._images:
            self._since_last_end += now - self._counted_to
        self._counted_to = now

    def _seconds_per_image(self) -> float:
        """0 before the first call has ended; while none is finished, as if one image were."""
        return self._busy / max(1.0, self._finished)
