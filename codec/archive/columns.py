"""Columns of numbers in few bytes.

A column of n numbers below 2**32:

    centre       varint (codec.varint)
    k            1 byte: 255 if all numbers are the centre, and nothing follows; otherwise 0..33,
                 and for each number 2d where it lies d above the centre, or 2d - 1 where it lies
                 d below, is written in a Rice code of parameter k:
    quotients    of the division by 2**k, one after the other: each in zeros, then a one
    remainders   one after the other, k bits each, the highest first
                 zeros up to a whole byte; the first bit of a byte is its highest
"""

import numpy as np

from codec.arrays import I64
from codec.errors import ArchiveError
from codec.varint import read_varint, write_varint

_SAME, _MAX_K = 255, 33
# Around the median a larger k never saves a bit, and no column needs more bits for each number.
_WRITTEN_K, _MAX_BITS = 31, 34
_VARINT_BYTES = 5


def read_number(data: bytes, at: int) -> tuple[int, int]:
    """The varint that begins at `at`, and where it ends.

    Raises ArchiveError unless it is whole, below 2**32 and in its shortest form.
    """
    try:
        value, end = read_varint(data, at, _VARINT_BYTES)
    except ValueError as error:
        raise ArchiveError(str(error)) from error
    if value >= 2**32:
        raise ArchiveError(f"the number {value}, expected one below 2^32")
    return value, end


def pack_column(values: I64) -> bytes:
    """A column of at least one number in 0..2**32 - 1."""
    centre = int(np.sort(values)[len(values) // 2])
    rest = np.where(values >= centre, 2 * (values - centre), 2 * (centre - values) - 1)
    if not rest.any():
        return write_varint(centre) + bytes([_SAME])
    ks = np.arange(_WRITTEN_K + 1)
    k = int(((rest[:, None] >> ks).sum(0) + ks * len(rest)).argmin())
    ends = np.cumsum((rest >> k) + 1)
    quotients = np.zeros(ends[-1], np.bool_)
    quotients[ends - 1] = True
    remainders = rest[:, None] >> np.arange(k - 1, -1, -1) & 1
    bits = np.concatenate([quotients, remainders.ravel().astype(np.bool_)])
    return write_varint(centre) + bytes([k]) + np.packbits(bits).tobytes()


def unpack_column(data: bytes, at: int, count: int) -> tuple[I64, int]:
    """The `count` numbers of the column that begins at `at`, and where it ends.

    Raises ArchiveError.
    """
    centre, at = read_number(data, at)
    if at >= len(data):
        raise ArchiveError("a column of numbers is cut short")
    k, at = data[at], at + 1
    if k == _SAME:
        return np.full(count, centre, np.int64), at
    longest = -(-count * _MAX_BITS // 8)
    bits = np.unpackbits(np.frombuffer(data[at : at + longest], np.uint8))
    ends = np.flatnonzero(bits)[:count] + 1
    if k > _MAX_K or len(ends) < count or ends[-1] + k * count > len(bits):
        raise ArchiveError("a column of numbers is cut short")
    stop = int(ends[-1]) + k * count
    powers = 1 << np.arange(k - 1, -1, -1, dtype=np.int64)
    remainders = bits[ends[-1] : stop].reshape(count, k).astype(np.int64) @ powers
    size = -(-stop // 8)
    if bits[stop : 8 * size].any():
        raise ArchiveError("a column of numbers does not end in zeros")
    quotients = ends - 1
    quotients[1:] -= ends[:-1]
    rest = (quotients << k) + remainders
    values = np.where(rest & 1, centre - (rest + 1 >> 1), centre + (rest >> 1))
    if not ((values >= 0) & (values < 2**32)).all():
        raise ArchiveError("a column of numbers goes beyond its limits")
    return values, at + size
