"""The directories of TIFF and EXIF: orientation, bit depth, and a copy of the first page."""

import contextlib
import re
import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from PIL.TiffImagePlugin import COMPRESSION_INFO

from ..errors import InvalidInput
from .source import Source, beyond_8_bits

PREFIXES = tuple(o + m for o in (b"II", b"MM") for m in (b"*\0", b"\0*", b"+\0", b"\0+"))
_ORIENTATION, _XMP, _MAP = 274, 700, 320
_XMP_ORIENTATION = re.compile(rb"tiff:Orientation\s*(?:=\s*[\"']|>\s*)([0-9])")
# Tags that say what the pixels are, with those of the two JPEG compressions.
_SINGLE = frozenset((256, 257, 259, 262, 266, 277, 278, 284, 317, 322, 323))
_SEVERAL = frozenset((258, 273, 279, 292, 293, 320, 324, 325, 338, 339, 347, 529, 530, 532))
_PIXELS = _SINGLE | _SEVERAL | frozenset(range(512, 522))
# Bytes of a value of each type, and the types that are integers.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_SIZES |= {13: 4, 16: 8, 17: 8, 18: 8}
_INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 18: "Q"}
_SHORT, _LONG, _LONG8 = 3, 4, 16
_KINDS = {2: "signed integer", 3: "floating-point"}
_MAX_SAMPLES = 6
_PLANAR = 2  # the channels one after the other
# Pixels of a tile, which a decoder allocates whole.
_MAX_TILE = 2**26


class Entry(NamedTuple):
    """A field of a directory: the type (`kind`) and number of its values, and their bytes."""

    kind: int
    number: int
    raw: bytes


def inspect_tiff(data: bytes) -> Source:
    """The first page, upright as its tag or its XMP says.

    Raises InvalidInput for absurd numbers of channels and sizes of tiles, for missing strips and
    for a compression that is not read, and struct.error for a damaged directory.
    """
    order, fields = _order(data), dict[int, Entry]()
    for tag, entry in _entries(data):
        if tag in _PIXELS or tag in (_ORIENTATION, _XMP):
            fields.setdefault(tag, entry)
    deep = _check_samples(order, fields)
    _check_layout(order, fields)
    xmp = fields[_XMP].raw if _XMP in fields else b""
    turned = _orientation(order, fields.get(_ORIENTATION), xmp)
    pixels = {tag: entry for tag, entry in sorted(fields.items()) if tag in _PIXELS}
    return Source("TIFF", _one_page(data, order, pixels), turned, deep)


def read_orientation(exif: bytes, xmp: bytes = b"") -> int:
    """The orientation 1..8 that EXIF data, else XMP data, state; 1 without or if damaged."""
    while exif.startswith(b"Exif\0\0"):
        exif = exif[6:]
    entry = None
    # The directory may end early, or its offset may be wrong.
    with contextlib.suppress(struct.error, OverflowError):
        entry = next((entry for tag, entry in _entries(exif) if tag == _ORIENTATION), None)
    return _orientation(_order(exif), entry, xmp)


def _orientation(order: str, entry: Entry | None, xmp: bytes) -> int:
    if entry is not None:
        found = next(iter(_integers(order, entry)), 1)
    else:
        match = _XMP_ORIENTATION.search(xmp)
        found = int(match[1]) if match else 1
    return found if 1 <= found <= 8 else 1


def _order(data: bytes) -> str:
    return "<" if data.startswith(b"II") else ">"


def _entries(data: bytes) -> Iterator[tuple[int, Entry]]:
    """Tags and fields of the first directory. Raises struct.error where it is cut short."""
    order, big = _order(data), b"+" in data[2:4]
    number, inline = ("Q", 8) if big else ("I", 4)
    (start,) = struct.unpack_from(order + number, data, 8 if big else 4)
    (length,) = struct.unpack_from(order + ("Q" if big else "H"), data, start)
    layout = struct.Struct(f"{order}HH{number}{inline}s")
    start += 8 if big else 2
    for position in range(start, start + length * layout.size, layout.size):
        tag, kind, count, value = layout.unpack_from(data, position)
        size = _SIZES.get(kind, 0) * count
        if size > inline:
            (offset,) = struct.unpack(order + number, value)
            value = data[offset : offset + size]
        yield tag, Entry(kind, count, value[:size])


def _integers(order: str, entry: Entry) -> tuple[int, ...]:
    """The values of a field of integers; none if it has another type or is cut short."""
    letter = _INTEGERS.get(entry.kind)
    if letter is None or len(entry.raw) < _SIZES[entry.kind] * entry.number:
        return ()
    return struct.unpack(f"{order}{entry.number}{letter}", entry.raw)


def _check_samples(order: str, fields: Mapping[int, Entry]) -> str:
    """What the channels are if not 8-bit ones, in words."""
    samples, bits = _first(order, fields, 277, 1), max(_values(order, fields, 258, 1))
    wrong = next((kind for kind in _values(order, fields, 339, 1) if kind != 1), 1)
    if samples > _MAX_SAMPLES:
        raise InvalidInput(
            f"the TIFF image has {samples} channels, expected at most {_MAX_SAMPLES}"
        )
    return beyond_8_bits(bits, "" if wrong == 1 else _KINDS.get(wrong, "undefined"))


def _check_layout(order: str, fields: Mapping[int, Entry]) -> None:
    """Raises InvalidInput unless the pixels are all there, in a form that is read."""
    method = _first(order, fields, 259, 1)
    if method not in COMPRESSION_INFO:
        raise InvalidInput(f"the TIFF image is compressed by method {method}, which is not read")
    width, height = _first(order, fields, 256, 0), _first(order, fields, 257, 0)
    wide, high = _first(order, fields, 322, 1), _first(order, fields, 323, 1)
    if wide * high > _MAX_TILE:
        raise InvalidInput(f"the TIFF image has tiles of {wide}x{high}, at most {_MAX_TILE} pixels")
    offsets = 324 if 324 in fields else 273
    if offsets == 273:
        wide, high = width, min(_first(order, fields, 278, height), height)
    planes = _first(order, fields, 277, 1) if _first(order, fields, 284, 1) == _PLANAR else 1
    needed = planes * -(-width // max(wide, 1)) * -(-height // max(high, 1))
    found = fields[offsets].number if offsets in fields else 0
    if found < needed:  # a decoder would leave the rest black
        raise InvalidInput(
            f"the TIFF image has {found} of the {needed} strips or tiles that its size needs"
        )


def _values(order: str, fields: Mapping[int, Entry], tag: int, default: int) -> tuple[int, ...]:
    """The integers of a field, or the default alone if there are none."""
    return (_integers(order, fields[tag]) if tag in fields else ()) or (default,)


def _first(order: str, fields: Mapping[int, Entry], tag: int, default: int) -> int:
    return _values(order, fields, tag, default)[0]


def _one_page(data: bytes, order: str, fields: Mapping[int, Entry]) -> bytes:
    """The file with a single directory of these fields behind it."""
    start = len(data) + len(data) % 2
    after = start + 2 + 12 * len(fields) + 4
    table, values = [struct.pack(order + "H", len(fields))], b""
    for tag, field in fields.items():
        kind, count, raw = _narrow(order, tag, _colours(order, field) if tag == _MAP else field)
        if len(raw) > 4:
            table.append(struct.pack(order + "HHII", tag, kind, count, after + len(values)))
            values += raw + b"\0" * (len(raw) % 2)
        else:
            table.append(struct.pack(order + "HHI4s", tag, kind, count, raw))
    magic = b"II*\0" if order == "<" else b"MM\0*"
    header = magic + struct.pack(order + "I", start)
    padding = b"\0" * (start - len(data))
    return b"".join((header, data[8:], padding, *table, bytes(4), values))


def _colours(order: str, entry: Entry) -> Entry:
    """A colour map in 16 bits: some programs write one in 8, as libtiff knows too."""
    values = _integers(order, entry)
    if entry.kind != _SHORT or max(values, default=256) > 255:
        return entry
    return Entry(
        _SHORT, len(values), struct.pack(f"{order}{len(values)}H", *(257 * v for v in values))
    )


def _narrow(order: str, tag: int, entry: Entry) -> Entry:
    """The field as TIFF has it: values of 32 bits where BigTIFF has 64, one where there is one."""
    if len(entry.raw) < _SIZES.get(entry.kind, 1) * entry.number or not entry.raw:
        raise struct.error(f"the values of tag {tag} lie outside of the file")
    if tag in _SINGLE:
        entry = Entry(entry.kind, 1, entry.raw[: _SIZES[entry.kind]])
    if entry.kind == _LONG8:
        values = _integers(order, entry)
        return Entry(_LONG, entry.number, struct.pack(f"{order}{entry.number}I", *values))
    return entry
