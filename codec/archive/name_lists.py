"""Lists of names in few bytes.

A list of n >= 1 names, UTF-8, up to 1,024 bytes each, empty where a record has no name:

    method       1 byte: 0 plain, 1 deflated (RFC 1951), with the plain length (varint) before it
    steps        column of n - 1 numbers, left out if n is 1   (codec.archive.columns)
    shared       m varints: bytes that a name shares with the beginning of the one before it
    own          m varints: bytes that follow the shared ones
    bytes        the bytes that follow, name after name

The first name, and each whose step is 0, is spelled out: these are the m names of the last three
parts. Any other name is the one before it with its number raised by the step. The number is the
last run of digits 0-9, or its last 15 digits, and it never gets shorter.
"""

import itertools
import re
import zlib
from collections.abc import Sequence

import numpy as np

from codec.archive.columns import pack_column, read_number, unpack_column
from codec.errors import ArchiveError, InvalidInput
from codec.varint import write_varint

MAX_NAME_BYTES = 1024
# Bytes of a list for each name in addition to those of the name: two varints and a column entry.
NAME_OVERHEAD = 8
_PLAIN, _DEFLATED = b"\0", b"\1"
_NUMBERED = re.compile(rb"(.*?)([0-9]{1,15})([^0-9]*)", re.DOTALL)
_STEPS = 2**32


def encode_name(name: str) -> bytes:
    """A name as it is stored. Raises InvalidInput."""
    try:
        data = name.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(f"the name {name!r} cannot be written in UTF-8") from error
    if not 1 <= len(data) <= MAX_NAME_BYTES or b"\0" in data:
        raise InvalidInput(
            f"a name of {len(data)} bytes; expected 1..{MAX_NAME_BYTES} without a zero byte"
        )
    return data


def check_name(data: bytes) -> None:
    """Raises ArchiveError for stored bytes that are neither empty nor a name."""
    try:
        if data:
            encode_name(data.decode())
    except (UnicodeDecodeError, InvalidInput) as error:
        raise ArchiveError("a stored name is not UTF-8, or too long") from error


def pack_names(names: Sequence[bytes]) -> bytes:
    """A list of at least one name."""
    pairs = list(itertools.pairwise([b"", *names]))
    steps = [_step(*pair) for pair in pairs]
    spelled = [pair for pair, step in zip(pairs, steps, strict=True) if not step]
    shared = [_shared_bytes(*pair) for pair in spelled]
    own = [name[start:] for (_, name), start in zip(spelled, shared, strict=True)]
    column = pack_column(np.array(steps[1:], np.int64)) if len(names) > 1 else b""
    plain = b"".join([column, *map(write_varint, [*shared, *map(len, own)]), *own])
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    deflated = write_varint(len(plain)) + deflate.compress(plain) + deflate.flush()
    return min(_PLAIN + plain, _DEFLATED + deflated, key=len)


def unpack_names(data: bytes, count: int, limit: int) -> list[bytes]:
    """The `count` names of a list.

    Raises ArchiveError for damage, and for names of more than `limit` bytes with NAME_OVERHEAD for
    each of them.
    """
    plain, at = _plain_bytes(data, limit), 0
    steps = [0]
    if count > 1:
        column, at = unpack_column(plain, at, count - 1)
        steps += column.tolist()
    numbers = []
    for _ in range(2 * steps.count(0)):
        number, at = read_number(plain, at)
        numbers.append(number)
    return _names(steps, numbers, plain[at:], limit)


def _names(steps: Sequence[int], numbers: Sequence[int], text: bytes, limit: int) -> list[bytes]:
    """The names that the parts of a list describe. Raises ArchiveError."""
    shared, own = (iter(half) for half in np.split(np.array(numbers), 2))
    at, names, last, total = 0, [], b"", NAME_OVERHEAD * len(steps)
    for step in steps:
        if step:
            last = _raised(last, step)
        else:
            kept, size = int(next(shared)), int(next(own))
            if kept > len(last) or at + size > len(text):
                raise ArchiveError("a list of names is cut short")
            last, at = last[:kept] + text[at : at + size], at + size
        check_name(last)
        names.append(last)
        total += len(last)
        # A few bytes can describe many long names.
        if total > limit:
            raise ArchiveError(f"names of more than {limit} bytes, expected at most {limit}")
    if at != len(text):
        raise ArchiveError(f"a list of names has {len(text)} bytes, its names end after {at}")
    return names


def _step(before: bytes, name: bytes) -> int:
    """The step from the name before to a name; 0 if it must be spelled out."""
    match = _NUMBERED.fullmatch(before)
    if match is None:
        return 0
    begin, digits, end = match.groups()
    number = name[len(begin) : len(name) - len(end)]
    if not number.isdigit():
        return 0
    step = int(number) - int(digits)
    return step if 0 < step < _STEPS and _raised(before, step) == name else 0


def _raised(name: bytes, step: int) -> bytes:
    """The name with its number raised by a step. Raises ArchiveError if it has no number."""
    match = _NUMBERED.fullmatch(name)
    if match is None:
        raise ArchiveError("a list of names counts on from a name without a number")
    begin, digits, end = match.groups()
    return begin + b"%0*d" % (len(digits), int(digits) + step) + end


def _plain_bytes(data: bytes, limit: int) -> bytes:
    """The bytes of a list of names after its method, inflated if they are deflated."""
    method = data[:1]
    if method == _PLAIN:
        return data[1:]
    if method != _DEFLATED:
        raise ArchiveError(f"a list of names of method {method.hex()}, expected 00 or 01")
    size, at = read_number(data, 1)
    if size > limit:
        raise ArchiveError(f"a list of names of {size} bytes, expected at most {limit}")
    return _inflated(data[at:], size)


def _inflated(data: bytes, size: int) -> bytes:
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        plain = stream.decompress(data, size + 1)
    except zlib.error as error:
        raise ArchiveError("a list of names cannot be inflated") from error
    if len(plain) != size or not stream.eof or stream.unused_data:
        raise ArchiveError(f"a list of names has another length than the {size} bytes given")
    return plain


def _shared_bytes(a: bytes, b: bytes) -> int:
    """Number of bytes that two names share at their beginning."""
    longest = min(len(a), len(b))
    return next((i for i in range(longest) if a[i] != b[i]), longest)
