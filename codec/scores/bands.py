"""Bands of rows in which large images are scored, to bound the memory."""

from collections.abc import Iterator

# Images of more pixels are scored in bands of about BAND_PIXELS.
MAX_WHOLE_PIXELS = 2**22
BAND_PIXELS = 2**20


def bands(height: int, width: int, margin: int) -> Iterator[tuple[slice, slice]]:
    """The rows of each band with its margins, and the rows within them that are the band."""
    if height * width <= MAX_WHOLE_PIXELS:
        yield slice(0, height), slice(0, height)
        return
    step = max(1, BAND_PIXELS // width)
    for first in range(0, height, step):
        last = min(first + step, height)
        start = max(0, first - margin)
        yield slice(start, min(last + margin, height)), slice(first - start, last - start)
