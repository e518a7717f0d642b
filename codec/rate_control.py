"""Rates, and the search for the quality level that meets a size or a PSNR.

The encoder runs once, before the search. Trying a level costs a table look-up per code, or a run of
the decoder. The functions here plan the search for one image: from the results at the levels tried
so far they return the level to try next, or None when the search is over. `codec.codec` tries the
levels, for all images at once.

    target_bytes   bisection over ideal code lengths finds the level at which the record should just
                   fit; then real records decide: one level finer while they fit, or coarser until
                   they do
    target_psnr    bisection with the decoder over the levels

Sizes nearly always grow from level to level, and errors shrink, but neither is certain. In all
cases:

    target_bytes   the record has at most that many bytes, and that of the next finer level has
                   more; an image is refused only if no level fits
    target_psnr    the image has at least that PSNR, and less at the next coarser level; an image is
                   refused only if no level reaches it
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from codec.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Rate:
    """How small or how good records should be: at most one of the three fields.

    `target_bytes` is the largest size of a record, evidence not included; `target_psnr` the lowest
    PSNR of an image, dB. Without any, the default quality level of the model is used. Raises
    InvalidInput.
    """

    quality: int | None = None
    target_bytes: int | None = None
    target_psnr: float | None = None

    def __post_init__(self) -> None:
        given = [name for name in self.__slots__ if getattr(self, name) is not None]
        if len(given) > 1:
            raise InvalidInput(f"{' and '.join(given)} are given, expected at most one of them")
        if self.target_bytes is not None and self.target_bytes < 1:
            raise InvalidInput(f"target_bytes is {self.target_bytes}, expected at least 1")
        if self.target_psnr is not None and not 0 < self.target_psnr < inf:
            raise InvalidInput(f"target_psnr is {self.target_psnr}, expected decibels above 0")


DEFAULT_RATE = Rate()


def level_by_ideal_bytes(sizes: Mapping[int, float], target: int, levels: int) -> int | None:
    """The next of `levels` levels to try, from the ideal sizes, bytes, at the levels tried."""
    return _bisected(_fits(sizes, target), levels)


def level_by_record_bytes(
    records: Mapping[int, bytes], ideal: Mapping[int, float], target: int, levels: int
) -> int | None:
    """The next level to try, from the records at the levels tried.

    The search starts at the finest level that fits by `ideal`, the sizes that the search by
    `level_by_ideal_bytes` has found. It goes up from a level that fits and down from one that does
    not; if the coarsest does not fit either, all others are tried.
    """
    if not records:
        return max(0, _bounds(_fits(ideal, target), levels)[0])
    fits = {level: len(record) <= target for level, record in records.items()}
    if any(fits.values()):
        finer = max(level for level, fit in fits.items() if fit) + 1
        return finer if finer < levels and finer not in fits else None
    coarser = min(fits) - 1
    return coarser if coarser >= 0 else _untried(fits, levels)


def level_by_psnr(reached: Mapping[int, float], target: float, levels: int) -> int | None:
    """The next level to try, from the PSNR, dB, at the levels tried."""
    level = _bisected({q: value < target for q, value in reached.items()}, levels)
    if level is not None:
        return level
    if max(reached.values()) < target:
        return _untried(reached, levels)
    coarser = min(q for q, value in reached.items() if value >= target) - 1
    return coarser if coarser >= 0 and coarser not in reached else None


def finest_fitting(records: Mapping[int, bytes], target: int) -> int:
    """The finest level whose record has at most `target` bytes.

    Raises InvalidInput with the size of the smallest record if none has.
    """
    fitting = [level for level, record in records.items() if len(record) <= target]
    if fitting:
        return max(fitting)
    smallest = min(records, key=lambda level: (len(records[level]), level))
    raise InvalidInput(
        f"the smallest record of this image has {len(records[smallest])} bytes, at quality "
        f"{smallest}; target_bytes is {target}"
    )


def coarsest_reaching(reached: Mapping[int, float], target: float) -> int:
    """The coarsest level whose PSNR, dB, is at least `target`.

    Raises InvalidInput with the best PSNR if none is.
    """
    reaching = [level for level, value in reached.items() if value >= target]
    if reaching:
        return min(reaching)
    best = max(reached, key=lambda level: reached[level])
    raise InvalidInput(
        f"the best PSNR of this image is {reached[best]:.2f} dB, at quality {best}; target_psnr is "
        f"{target:g} dB"
    )


def _fits(sizes: Mapping[int, float], target: int) -> dict[int, bool]:
    return {level: size <= target for level, size in sizes.items()}


def _bounds(holds: Mapping[int, bool], levels: int) -> tuple[int, int]:
    """The finest level that holds, -1 without any, and the coarsest above it that does not."""
    low = max((q for q, held in holds.items() if held), default=-1)
    return low, min((q for q, held in holds.items() if not held and q > low), default=levels)


def _bisected(holds: Mapping[int, bool], levels: int) -> int | None:
    """The level halfway between the bounds; None once they touch."""
    low, high = _bounds(holds, levels)
    return (low + high) // 2 if high - low > 1 else None


def _untried(tried: Mapping[int, object], levels: int) -> int | None:
    """The finest level not tried yet."""
    return next((level for level in reversed(range(levels)) if level not in tried), None)
