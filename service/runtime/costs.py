"""What tasks cost: seconds per pixel, learned from the work that was done."""

from collections.abc import Hashable
from typing import final

# Weight of a slice, relative to the next one: what is known is mostly from the last ten slices.
_KEPT = 0.9


@final
class Costs:
    """Seconds per pixel by task and size class; images of similar size share a class."""

    def __init__(self) -> None:
        # Seconds and pixels of slices by task and size class.
        self._measured: dict[tuple[Hashable, int], tuple[float, float]] = {}
        # The class of a task that was measured last: a guess for sizes that were not seen yet.
        self._latest: dict[Hashable, int] = {}

    def learn(self, task: Hashable, images: int, pixels: int, seconds: float) -> None:
        """Counts a slice: `images` images with `pixels` pixels together took `seconds`."""
        size = _size_class(images, pixels)
        past_seconds, past_pixels = self._measured.get((task, size), (0.0, 0.0))
        self._measured[task, size] = (
            _KEPT * past_seconds + seconds,
            _KEPT * past_pixels + pixels,
        )
        self._latest[task] = size

    def seconds(self, task: Hashable, images: int, pixels: int) -> float | None:
        """Expected seconds for these images; None for a task that was never measured."""
        latest = self._latest.get(task)
        if latest is None:
            return None
        known = self._measured.get((task, _size_class(images, pixels)))
        past_seconds, past_pixels = known or self._measured[task, latest]
        return pixels * past_seconds / past_pixels


def _size_class(images: int, pixels: int) -> int:
    """Images between one power of two of pixels and the next are a class."""
    return (pixels // images).bit_length()
