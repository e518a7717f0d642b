"""What a block says of its records, in few bytes: columns of numbers, and names.

A column of n numbers below 2**32 (`varint` is LEB128 in its shortest form):

    centre       varint
    k            1 byte: 255 if all numbers are the centre, and nothing follows; otherwise 0..33,
                 and for each number 2d where it lies d above the centre, or 2d - 1 where it lies
                 d below, is written in a Rice code of parameter k:
    quotients    of the division by 2**k, one after the other: as many zeros, then a one
    remainders   one after the other, k bits each, the highest first
                 zeros up to a whole byte; the first bit of a byte is its highest

A list of n names, UTF-8, up to 1,024 bytes each, an empty one where a record has none:

    method       1 byte: 0 plain, 1 deflated (RFC 1951), with the plain length (varint) before it
    shared       n varints: how many bytes a name has in common with the beginning of the one before
    own          n varints: how many bytes follow them
    bytes        those that follow, name after name
"""

import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from codec.errors import ArchiveError, InvalidInput

I64 = npt.NDArray[np.int64]
MAX_NAME_BYTES = 1024
# Two varints of a name beside its bytes.
NAME_OVERHEAD = 4
_SAME, _MAX_K = 255, 33
_VARINT_BYTES = 5
_PLAIN, _DEFLATED = 0, 1


def varint(value: int) -> bytes:
    """LEB128, shortest form."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The number that begins at `at`, and where it ends. Raises ArchiveError."""
    value = 0
    for place, byte in enumerate(data[at : at + _VARINT_BYTES]):
        value |= (byte & 0x7F) << 7 * place
        if not byte & 0x80:
            if (place and not byte) or value >= 2**32:
                break
            return value, at + place + 1
    raise ArchiveError("a number is not written in its shortest form or cut short")


def pack_column(values: I64) -> bytes:
    """A column of at least one number in 0..2**32 - 1."""
    centre = int(np.partition(values, len(values) // 2)[len(values) // 2])
    rest = np.where(values >= centre, 2 * (values - centre), 2 * (centre - values) - 1)
    if not rest.any():
        return varint(centre) + bytes([_SAME])
    k = min(range(_MAX_K + 1), key=lambda k: int((rest >> k).sum()) + k * len(rest))
    ends = np.cumsum((rest >> k) + 1)
    quotients = np.zeros(ends[-1], np.uint8)
    quotients[ends - 1] = 1
    remainders = rest[:, None] >> np.arange(k - 1, -1, -1) & 1
    bits = np.concatenate([quotients, remainders.reshape(-1).astype(np.uint8)])
    return varint(centre) + bytes([k]) + np.packbits(bits).tobytes()


def unpack_column(data: bytes, at: int, count: int) -> tuple[I64, int]:
    """The `count` numbers of the column that begins at `at`, and where it ends.

    Raises ArchiveError.
    """
    centre, at = read_varint(data, at)
    k = data[at] if at < len(data) else _MAX_K + 1
    at += 1
    if k == _SAME:
        return np.full(count, centre, np.int64), at
    # The best k never needs more bits than this.
    longest = -(-count * (_MAX_K + 2) // 8)
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
    rest = (np.diff(ends, prepend=0) - 1 << k) + remainders
    values = np.where(rest & 1, centre - (rest + 1 >> 1), centre + (rest >> 1))
    if not ((values >= 0) & (values < 2**32)).all():
        raise ArchiveError("a column of numbers goes beyond its limits")
    return values, at + size


def encode_name(name: str) -> bytes:
    """A name as it is stored. Raises InvalidInput."""
    try:
        data = name.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(f"the name {name!r} cannot be written in UTF-8") from error
    if not 1 <= len(data) <= MAX_NAME_BYTES or b"\0" in data:
        raise InvalidInput(
            f"a name of {len(data)} bytes; expected 1..{MAX_NAME_BYTES}, none of them zero"
        )
    return data


def check_name(data: bytes) -> None:
    """Raises ArchiveError for stored bytes that are no name; none at all are allowed."""
    try:
        if data:
            encode_name(data.decode())
    except (UnicodeDecodeError, InvalidInput) as error:
        raise ArchiveError("a stored name is no text, or too long") from error


def pack_names(names: Sequence[bytes]) -> bytes:
    """A list of names."""
    shared = [_in_common(a, b) for a, b in zip([b"", *names], names, strict=False)]
    own = [name[start:] for name, start in zip(names, shared, strict=True)]
    plain = b"".join([*map(varint, shared), *(varint(len(rest)) for rest in own), *own])
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    squeezed = varint(len(plain)) + squeezer.compress(plain) + squeezer.flush()
    return min(bytes([_PLAIN]) + plain, bytes([_DEFLATED]) + squeezed, key=len)


def unpack_names(data: bytes, count: int, limit: int) -> list[bytes]:
    """The `count` names of a list, with `NAME_OVERHEAD` each at most `limit` bytes.

    Raises ArchiveError.
    """
    plain = _unfolded(data, limit)
    at, numbers = 0, []
    for _ in range(2 * count):
        number, at = read_varint(plain, at)
        numbers.append(number)
    names, last, total = [], b"", NAME_OVERHEAD * count
    for shared, own in zip(numbers[:count], numbers[count:], strict=True):
        if shared > len(last) or at + own > len(plain):
            raise ArchiveError("a list of names is cut short")
        last = last[:shared] + plain[at : at + own]
        check_name(last)
        names.append(last)
        at, total = at + own, total + len(last)
        if total > limit:  # a few bytes can say many long names
            raise ArchiveError(f"names of more than {limit} bytes, no more are read")
    if at != len(plain):
        raise ArchiveError("something follows a list of names")
    return names


def _unfolded(data: bytes, limit: int) -> bytes:
    """The plain bytes of a list of names."""
    if not data or data[0] not in (_PLAIN, _DEFLATED):
        raise ArchiveError("a list of names in no form that this software reads")
    if data[0] == _PLAIN:
        size, plain = len(data) - 1, data[1:]
    else:
        size, at = read_varint(data, 1)
        plain = _inflated(data[at:], size) if size <= limit else b""
    if size > limit:
        raise ArchiveError(f"a list of names of {size} bytes, at most {limit} are read")
    return plain


def _inflated(data: bytes, size: int) -> bytes:
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        plain = stream.decompress(data, size + 1)
    except zlib.error as error:
        raise ArchiveError("a list of names cannot be unfolded") from error
    if len(plain) != size or not stream.eof or stream.unused_data:
        raise ArchiveError("a list of names is not as long as it says")
    return plain


def _in_common(a: bytes, b: bytes) -> int:
    """How many bytes two names have in common at their beginning."""
    longest = min(len(a), len(b))
    return next((i for i in range(longest) if a[i] != b[i]), longest)
