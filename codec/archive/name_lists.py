"""Lists of names in few bytes.

A list of n >= 1 names, UTF-8, up to 1,024 bytes each, an empty one where a record has none:

    method       1 byte: 0 plain, 1 deflated (RFC 1951), with the plain length (varint) before it
    steps        column of n - 1 numbers, left out if n is 1   (codec.archive.columns)
    shared       m varints: how many bytes a name has in common with the beginning of the one before
    own          m varints: how many bytes follow them
    bytes        those that follow, name after name

The first name and each whose step is 0 are spelled out: they are the m names of the last three
parts. Any other is the name before it with its number raised by the step: that of the last digits
0-9 in it, of which there are at most 15, and no fewer afterwards.
"""

import itertools
import re
import zlib
from collections.abc import Sequence

import numpy as np

from codec.archive.columns import pack_column, read_varint, unpack_column, varint
from codec.errors import ArchiveError, InvalidInput

MAX_NAME_BYTES = 1024
# What a list may take for each name beside its bytes: two varints and its part of a column.
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
    """A list of at least one name."""
    pairs = list(itertools.pairwise([b"", *names]))
    steps = [_step(*pair) for pair in pairs]
    spelled = [pair for pair, step in zip(pairs, steps, strict=True) if not step]
    shared = [_in_common(*pair) for pair in spelled]
    own = [name[start:] for (_, name), start in zip(spelled, shared, strict=True)]
    column = pack_column(np.array(steps[1:], np.int64)) if len(names) > 1 else b""
    plain = b"".join([column, *map(varint, shared), *(varint(len(rest)) for rest in own), *own])
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    squeezed = varint(len(plain)) + squeezer.compress(plain) + squeezer.flush()
    return min(_PLAIN + plain, _DEFLATED + squeezed, key=len)


def unpack_names(data: bytes, count: int, limit: int) -> list[bytes]:
    """The `count` names of a list, with `NAME_OVERHEAD` each at most `limit` bytes.

    Raises ArchiveError.
    """
    plain, at = _unfolded(data, limit), 0
    steps = [0]
    if count > 1:
        column, at = unpack_column(plain, at, count - 1)
        steps += column.tolist()
    numbers = []
    for _ in range(2 * steps.count(0)):
        number, at = read_varint(plain, at)
        numbers.append(number)
    return _names(steps, numbers, plain[at:], limit)


def _names(steps: Sequence[int], numbers: Sequence[int], text: bytes, limit: int) -> list[bytes]:
    """Names from the parts of their list. Raises ArchiveError."""
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
        if total > limit:  # a few bytes can say many long names
            raise ArchiveError(f"names of more than {limit} bytes, no more are read")
    if at != len(text):
        raise ArchiveError("something follows a list of names")
    return names


def _step(before: bytes, name: bytes) -> int:
    """By how much the number of the one before is raised in a name; 0 if it is another name."""
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
    """The name with its number raised. Raises ArchiveError if it has none."""
    match = _NUMBERED.fullmatch(name)
    if match is None:
        raise ArchiveError("a list of names counts on from a name without a number")
    begin, digits, end = match.groups()
    return begin + b"%0*d" % (len(digits), int(digits) + step) + end


def _unfolded(data: bytes, limit: int) -> bytes:
    """The plain bytes of a list of names."""
    method = data[:1]
    if method == _PLAIN:
        return data[1:]
    if method != _DEFLATED:
        raise ArchiveError("a list of names in no form that this software reads")
    size, at = read_varint(data, 1)
    if size > limit:
        raise ArchiveError(f"a list of names of {size} bytes, at most {limit} are read")
    return _inflated(data[at:], size)


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
