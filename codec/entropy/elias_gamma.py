"""Values outside of their tables: the Elias gamma codes of their excesses, as plain bits."""

from collections.abc import Callable

from codec.errors import RecordError
from codec.priors.tables import I64, U16, Tables, from_excess, to_excess
from codec.quantise import MAX_CODE

# Elias gamma of the largest excess that a code within ±MAX_CODE can have, and some room.
MAX_GAMMA_ZEROS = MAX_CODE.bit_length() + 8


def escape_bits(tables: Tables, values: I64, rows: U16) -> list[int]:
    """The Elias gamma codes of the values `[n]`, coded with `rows` `[n]`, that are escaped, as
    bits.
    """
    escaped = tables.symbols(values, rows) == tables.escape
    bits: list[int] = []
    for excess in to_excess(values[escaped], tables.low[rows[escaped]], tables.escape):
        digits = f"{int(excess):b}"
        bits += [0] * (len(digits) - 1) + [int(digit) for digit in digits]
    return bits


def read_escapes(tables: Tables, rows: U16, read_bit: Callable[[], int]) -> list[int]:
    """The values that escaped symbols with `rows` `[n]` stand for. Raises RecordError."""
    values = []
    for low in tables.low[rows].tolist():
        zeros = 0
        while read_bit() == 0:
            zeros += 1
            if zeros > MAX_GAMMA_ZEROS:
                raise RecordError("the payload holds a code beyond every limit")
        excess = 1
        for _ in range(zeros):
            excess = 2 * excess + read_bit()
        values.append(from_excess(excess, low, tables.escape))
    return values
