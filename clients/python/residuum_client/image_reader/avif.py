"""The boxes of AVIF (ISO/IEC 14496-12 and 23008-12): bit depth, and where EXIF data are named."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from .source import Source, beyond_8_bits


class _Box(NamedTuple):
    name: bytes
    start: int  # of its content
    end: int


def brands(data: bytes) -> frozenset[bytes]:
    """The brands that a file of this family names, the major one among them; else none."""
    if data[4:8] != b"ftyp":
        return frozenset()
    end = min(struct.unpack_from(">I", data)[0], len(data))
    return frozenset(data[at : at + 4] for at in (8, *range(16, end, 4)))


def inspect_avif(data: bytes) -> Source:
    """The file with its EXIF data hidden.

    A decoder takes the orientation from the format's own properties, which EXIF data only repeat.
    """
    hidden = bytearray(data)
    for box in _below(data, b"meta", b"iinf"):
        hidden[box.start : box.end] = data[box.start : box.end].replace(b"Exif", b"skip")
    return Source("AVIF", bytes(hidden), deep=beyond_8_bits(max(_depths(data), default=8)))


def _depths(data: bytes) -> Iterator[int]:
    """Bits of a channel of the first image, and of the frames of an animation."""
    properties = [
        box for part in _below(data, b"meta", b"iprp", b"ipco") for box in _boxes(data, part)
    ]
    own = _primary_properties(data)
    for number, box in enumerate(properties, 1):
        if number in own or not own:
            yield from _depth(data, box)
    for movie in _below(data, b"moov"):
        at = movie.start
        while (at := data.find(b"av1C", at, movie.end)) >= 0:
            yield from _depth(data, _Box(b"av1C", at + 4, movie.end))
            at += 4


def _depth(data: bytes, box: _Box) -> Iterator[int]:
    if box.name == b"av1C" and box.start + 3 <= box.end:
        flags = data[box.start + 2]
        yield (12 if flags & 0x20 else 10) if flags & 0x40 else 8
    elif box.name == b"pixi":
        yield from data[box.start + 5 : box.end]


def _primary_properties(data: bytes) -> frozenset[int]:
    """Numbers, from 1, of the properties of the primary item."""
    primary = [
        _number(data, box.start + 4, 2 if data[box.start] == 0 else 4)
        for box in _below(data, b"meta", b"pitm")
    ]
    found: set[int] = set()
    for box in _below(data, b"meta", b"iprp", b"ipma"):
        wide = 2 if data[box.start + 3] & 1 else 1
        named = 2 if data[box.start] == 0 else 4
        at = box.start + 8
        for _ in range(_number(data, box.start + 4, 4)):
            item, count = _number(data, at, named), data[at + named]
            at += named + 1
            numbers = [_number(data, at + i * wide, wide) for i in range(count)]
            if item in primary[:1]:
                found.update(number & (0x7FFF if wide == 2 else 0x7F) for number in numbers)
            at += count * wide
    return frozenset(found)


def _number(data: bytes, at: int, size: int) -> int:
    """A big-endian number. Raises IndexError at the end of the file."""
    if at + size > len(data):
        raise IndexError("the boxes of the file end early")
    return int.from_bytes(data[at : at + size])


def _below(data: bytes, *path: bytes) -> list[_Box]:
    """The boxes at a path of names."""
    found = [_Box(b"", 0, len(data))]
    for name in path:
        found = [box for parent in found for box in _boxes(data, parent) if box.name == name]
    return found


def _boxes(data: bytes, parent: _Box) -> Iterator[_Box]:
    at = parent.start + (4 if parent.name == b"meta" else 0)  # behind its version and flags
    while at + 8 <= parent.end:
        size, header = _number(data, at, 4), 8
        if size == 1:
            size, header = _number(data, at + 8, 8), 16
        end = parent.end if size == 0 else min(at + size, parent.end)
        if end < at + header:
            return
        yield _Box(data[at + 4 : at + 8], at + header, end)
        at = end
