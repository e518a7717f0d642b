"""How many bytes an image may take, or how good it must be: the search for its quality level.

The encoder has run once when the search begins; a level is tried on the same latents, so it costs
a table look-up per code, or the decoder, and never the encoder.

    target_bytes   bisection over ideal code lengths finds the level at which the record should just
                   fit; then the coder itself tells: one level up while the record fits, or down
                   until it does
    target_psnr    bisection with the decoder over the levels

Lengths and errors nearly always grow and fall from level to level, but nothing makes them. What is
promised, whatever they do:

    target_bytes   the record has at most that many bytes, and the next finer level's has more;
                   no image is refused that fits at any level
    target_psnr    the image has at least that PSNR, and at the next coarser level it has less; no
                   image is refused that reaches it at any level

An image that no level serves is refused rather than stored larger or worse than was asked for.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TypeVar

import numpy as np

from codec.errors import InvalidInput
from codec.images.files import U8

T = TypeVar("T")
# Values of (image, level) pairs, which are many so that they can be worked out together.
Measure = Callable[[Sequence[tuple[int, int]]], Sequence[T]]


@dataclass(frozen=True, slots=True)
class Rate:
    """At most one of: a quality level, the most bytes of a record without its evidence, the least
    PSNR of an image in dB. None of them means the model's default level. Raises InvalidInput.
    """

    quality: int | None = None
    target_bytes: int | None = None
    target_psnr: float | None = None

    def __post_init__(self) -> None:
        given = [name for name in self.__slots__ if getattr(self, name) is not None]
        if len(given) > 1:
            raise InvalidInput(f"{' and '.join(given)} are given, expected one of them at most")
        if self.target_bytes is not None and self.target_bytes < 1:
            raise InvalidInput(f"target_bytes is {self.target_bytes}, expected at least 1")
        if self.target_psnr is not None and not (
            isfinite(self.target_psnr) and self.target_psnr > 0
        ):
            raise InvalidInput(f"target_psnr is {self.target_psnr}, expected decibels above 0")


def psnr(image: U8, restored: U8) -> float:
    """PSNR of two images `[H, W, C]`, in dB, 255 being the peak; infinite where they are equal."""
    error = float(np.mean((image.astype(np.float32) - restored) ** 2, dtype=np.float64))
    return float(10.0 * np.log10(255.0**2 / error)) if error else float("inf")


def within_bytes(
    count: int, levels: int, ideal: Measure[float], record: Measure[bytes], target: int
) -> list[tuple[int, bytes]]:
    """Level and record of each of `count` images, of at most `target` bytes.

    `ideal` gives about how many bytes a record will have, `record` the record. Raises InvalidInput,
    which names the image and the size of its smallest record.
    """
    guesses = _search(count, ideal, lambda _, seen: _next(_fits(seen, target), levels))
    starts = [max(0, _bounds(_fits(seen, target), levels)[0]) for seen in guesses]

    def plan(image: int, seen: Mapping[int, bytes]) -> int | None:
        sizes = {level: len(data) for level, data in seen.items()}
        return _neighbour(_fits(sizes, target), starts[image], levels)

    tried = _search(count, record, plan)
    return [_finest(index, records, target) for index, records in enumerate(tried)]


def reaching_psnr(count: int, levels: int, measure: Measure[float], target: float) -> list[int]:
    """The level of each of `count` images, at which `measure`, its PSNR in dB, reaches `target`.

    Raises InvalidInput, which names the image and the best PSNR that it can have.
    """

    def plan(_: int, seen: Mapping[int, float]) -> int | None:
        level = _next({q: value < target for q, value in seen.items()}, levels)
        if level is not None:
            return level
        if max(seen.values()) < target:
            return _untried(seen, levels)
        coarser = min(q for q, value in seen.items() if value >= target) - 1
        return coarser if coarser >= 0 and coarser not in seen else None

    return [_coarsest(i, seen, target) for i, seen in enumerate(_search(count, measure, plan))]


def _search(
    count: int, measure: Measure[T], plan: Callable[[int, Mapping[int, T]], int | None]
) -> list[dict[int, T]]:
    """What each image measures at the levels that `plan` asks for, in rounds over all images.

    `plan(image, seen)` names the level to try next; None ends the image's search.
    """
    seen: list[dict[int, T]] = [{} for _ in range(count)]
    while True:
        asked = [(i, plan(i, known)) for i, known in enumerate(seen)]
        pairs = [(i, level) for i, level in asked if level is not None]
        if not pairs:
            return seen
        for (i, level), value in zip(pairs, measure(pairs), strict=True):
            seen[i][level] = value


def _fits(sizes: Mapping[int, float], target: int) -> dict[int, bool]:
    return {level: size <= target for level, size in sizes.items()}


def _bounds(holds: Mapping[int, bool], levels: int) -> tuple[int, int]:
    """The finest level that holds, -1 without any, and the coarsest above it that does not."""
    low = max((q for q, held in holds.items() if held), default=-1)
    return low, min((q for q, held in holds.items() if not held and q > low), default=levels)


def _next(holds: Mapping[int, bool], levels: int) -> int | None:
    """The level that halves what is between the bounds; None once they touch."""
    low, high = _bounds(holds, levels)
    return (low + high) // 2 if high - low > 1 else None


def _neighbour(fits: Mapping[int, bool], start: int, levels: int) -> int | None:
    """The level to try after those known: up from one that fits, down from one that does not, and
    all others once the coarsest does not fit either.
    """
    if not fits:
        return start
    if any(fits.values()):
        finer = max(level for level, fit in fits.items() if fit) + 1
        return finer if finer < levels and finer not in fits else None
    coarser = min(fits) - 1
    return coarser if coarser >= 0 else _untried(fits, levels)


def _untried(seen: Mapping[int, object], levels: int) -> int | None:
    return next((level for level in reversed(range(levels)) if level not in seen), None)


def _finest(index: int, records: Mapping[int, bytes], target: int) -> tuple[int, bytes]:
    fitting = [level for level, record in records.items() if len(record) <= target]
    if fitting:
        return max(fitting), records[max(fitting)]
    smallest = min(records, key=lambda level: (len(records[level]), level))
    raise InvalidInput(
        f"image {index}: target_bytes is {target}, its smallest record has "
        f"{len(records[smallest])} bytes, at quality {smallest}"
    )


def _coarsest(index: int, values: Mapping[int, float], target: float) -> int:
    reaching = [level for level, value in values.items() if value >= target]
    if reaching:
        return min(reaching)
    best = max(values, key=lambda level: values[level])
    raise InvalidInput(
        f"image {index}: target_psnr is {target:g} dB, its best is {values[best]:.2f} dB, "
        f"at quality {best}"
    )
