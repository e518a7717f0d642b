"""How many bytes an image may take, or how good it must be: the search for its quality level.

The encoder has run once when the search begins. Trying a level costs a table look-up per code, or
the decoder, and never the encoder. Functions here plan the search of one image: given what is known
at the levels tried so far, they name the level to try next, or None when the search is over. The
caller (`codec.codec`) tries levels for all its images at once.

    target_bytes   bisection over ideal code lengths finds the level at which the record should just
                   fit; then real records decide: one level finer while the record fits, or coarser
                   until it does
    target_psnr    bisection with the decoder over the levels

Lengths and errors nearly always grow and fall from level to level, but nothing forces them to. The
promise holds whatever they do:

    target_bytes   the record has at most that many bytes, and the next finer level's has more;
                   no image is refused that fits at any level
    target_psnr    the image has at least that PSNR, and at the next coarser level it has less; no
                   image is refused that reaches it at any level

An image that no level serves is refused rather than stored larger or worse than was asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

from codec.errors import InvalidInput


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


def level_by_ideal_bytes(sizes: Mapping[int, float], target: int, levels: int) -> int | None:
    """The next of `levels` levels to try, by `sizes`, the ideal bytes of the levels tried."""
    return _bisected(_fits(sizes, target), levels)


def level_by_record_bytes(
    records: Mapping[int, bytes], ideal: Mapping[int, float], target: int, levels: int
) -> int | None:
    """The next level to try, by the records of the levels tried.

    The first is the finest that fits by `ideal`, what `level_by_ideal_bytes` has led to. Then it
    goes up from one that fits, down from one that does not, and over all others once the coarsest
    does not fit either.
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
    """The next level to try, by the PSNR, dB, of the levels tried."""
    level = _bisected({q: value < target for q, value in reached.items()}, levels)
    if level is not None:
        return level
    if max(reached.values()) < target:
        return _untried(reached, levels)
    coarser = min(q for q, value in reached.items() if value >= target) - 1
    return coarser if coarser >= 0 and coarser not in reached else None


def finest_fitting(records: Mapping[int, bytes], target: int) -> int:
    """The finest level whose record has at most `target` bytes.

    Raises InvalidInput with the size of the smallest record where none has.
    """
    fitting = [level for level, record in records.items() if len(record) <= target]
    if fitting:
        return max(fitting)
    smallest = min(records, key=lambda level: (len(records[level]), level))
    raise InvalidInput(
        f"target_bytes is {target}, its smallest record has "
        f"{len(records[smallest])} bytes, at quality {smallest}"
    )


def coarsest_reaching(reached: Mapping[int, float], target: float) -> int:
    """The coarsest level whose PSNR, dB, is at least `target`.

    Raises InvalidInput with the best PSNR where none is.
    """
    reaching = [level for level, value in reached.items() if value >= target]
    if reaching:
        return min(reaching)
    best = max(reached, key=lambda level: reached[level])
    raise InvalidInput(
        f"target_psnr is {target:g} dB, its best is {reached[best]:.2f} dB, at quality {best}"
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
