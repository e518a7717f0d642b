"""Values outside their tables: the Elias gamma code of their excess, as plain bits."""

from collections.abc import Callable, Iterator

from codec.arrays import I32, I64
from codec.errors import RecordError
from codec.priors.tables import from_excess, to_excess
from codec.quantise import MAX_CODE

# Enough for the largest excess of a code within ±MAX_CODE, with room to spare.
MAX_GAMMA_ZEROS = MAX_CODE.bit_length() + 8


def escape_bits(values: I32 | I64, low: I64, escape: int) -> list[int]:
    """The Elias gamma codes of escaped values `[n]`, whose rows begin at `low` `[n]`, as bits."""
    bits: list[int] = []
    for excess in to_excess(values, low, escape).tolist():
        digits = f"{excess:b}"
        bits += [0] * (len(digits) - 1) + [int(digit) for digit in digits]
    return bits


def read_escapes(low: I64, escape: int, read_bit: Callable[[], int]) -> Iterator[int]:
    """The escaped values of rows that begin at `low` `[n]`, bit by bit.

    Raises RecordError for a code with more than MAX_GAMMA_ZEROS zeros, and what `read_bit` raises.
    """
    for start in low.tolist():
        zeros = 0
        while read_bit() == 0:
            zeros += 1
            if zeros > MAX_GAMMA_ZEROS:
                raise RecordError("the payload holds a code beyond every limit")
        excess = 1
        for _ in range(zeros):
            excess = 2 * excess + read_bit()
        yield from_excess(excess, start, escape)
