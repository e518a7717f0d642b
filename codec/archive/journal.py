"""The journal NAME.rsa.journal: the records of an archive that is open for writing and whose blocks
do not hold them yet.

    start     "RSAJ"; version, 1 byte; records before those of the journal, 8 bytes; offset in the
              archive where the blocks that hold them end, 8 bytes; CRC of the head of the last of
              these blocks or 0, 4 bytes; CRC-32 of the archive's header and of all of the above
    records   one after the other, each
        level, 1 byte; length of its body, 4 bytes; of its name, 2 bytes
        CRC-32 of the archive's header, the record's number (8 bytes) and these 7 bytes
        body, name
        CRC-32 of what the first one covers, body and name

All numbers are big endian. While a journal lies beside an archive, it says where the archive's
blocks end, and whatever the file holds behind them means nothing. A journal is replaced as a whole
and grows record by record, so a crash can only cut the last record short. What else is wrong with
it is damage, and not for a reader to pass over in silence.
"""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from codec.archive.blocks import (
    BLOCK_RECORDS,
    CRC,
    MAX_BODIES,
    MAX_LEVEL,
    Item,
    is_full,
    place_seed,
)
from codec.archive.name_lists import MAX_NAME_BYTES, check_name
from codec.errors import ArchiveError

MAGIC, VERSION = b"RSAJ", 1
_START = struct.Struct(">4sBQQI")
_ENTRY = struct.Struct(">BIH")
START_BYTES, ENTRY_BYTES = _START.size + CRC.size, _ENTRY.size + CRC.size
MAX_JOURNAL_BYTES = (
    START_BYTES + BLOCK_RECORDS * (ENTRY_BYTES + CRC.size + MAX_NAME_BYTES) + MAX_BODIES
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the archive a journal goes on: number of its first record, offset of the end of the
    blocks before, CRC of the head of the last of them (0 if there is none).
    """

    first: int
    offset: int
    link: int


@dataclass(frozen=True, slots=True)
class Journal:
    """Its place, its whole records, and how many of its bytes they take."""

    place: Place
    items: tuple[Item, ...]
    size: int


def pack_journal(place: Place, items: Sequence[Item], seed: int) -> bytes:
    """A whole journal."""
    start = _START.pack(MAGIC, VERSION, place.first, place.offset, place.link)
    entries = [pack_entry(item, place.first + i, seed) for i, item in enumerate(items)]
    return start + CRC.pack(zlib.crc32(start, seed)) + b"".join(entries)


def pack_entry(item: Item, number: int, seed: int) -> bytes:
    """The bytes to append for a record."""
    start = _ENTRY.pack(item.level, len(item.body), len(item.name))
    crc = zlib.crc32(start, place_seed(seed, number))
    content = item.body + item.name
    return start + CRC.pack(crc) + content + CRC.pack(zlib.crc32(content, crc))


def unpack_journal(data: bytes, seed: int, *, salvage: bool = False) -> Journal:
    """Undoes `pack_journal`; of the last record any part may be missing.

    Raises ArchiveError for damage; with `salvage` the records before it are given instead.
    """
    if len(data) > MAX_JOURNAL_BYTES:
        raise ArchiveError(f"the journal has more than {MAX_JOURNAL_BYTES} bytes")
    start = data[: _START.size]
    if len(data) < START_BYTES or data[_START.size : START_BYTES] != CRC.pack(
        zlib.crc32(start, seed)
    ):
        raise ArchiveError("the journal is damaged, or that of another archive")
    magic, version, first, offset, link = _START.unpack(start)
    if (magic, version) != (MAGIC, VERSION):
        raise ArchiveError(f"journal version {version}, this software reads {VERSION}")
    items: list[Item] = []
    size = START_BYTES
    try:
        while entry := _entry(data, size, first + len(items), seed):
            _check_room(items)
            items.append(entry[0])
            size += entry[1]
    except ArchiveError:
        if not salvage:
            raise
    return Journal(Place(first, offset, link), tuple(items), size)


def _check_room(items: Sequence[Item]) -> None:
    if is_full(len(items), sum(len(item.body) for item in items)):
        raise ArchiveError("the journal is damaged: it holds more than a block")


def _entry(data: bytes, at: int, number: int, seed: int) -> tuple[Item, int] | None:
    """The record that begins at `at` and its size in the journal; None if there is no whole one."""
    start = data[at : at + _ENTRY.size]
    crc = zlib.crc32(start, place_seed(seed, number))
    if len(data) < at + ENTRY_BYTES:
        return None
    level, body_size, name_size = _ENTRY.unpack(start)
    middle = at + ENTRY_BYTES
    if data[middle - CRC.size : middle] != CRC.pack(crc) or level > MAX_LEVEL:
        # After a power failure a file may have grown by bytes that were never written.
        if not data[at:].strip(b"\0"):
            return None
        raise ArchiveError(f"the journal is damaged at record {number}")
    stop = middle + body_size + name_size
    if len(data) < stop + CRC.size:
        return None
    content = data[middle:stop]
    if data[stop : stop + CRC.size] != CRC.pack(zlib.crc32(content, crc)):
        raise ArchiveError(f"the journal is damaged at record {number}")
    check_name(content[body_size:])
    return Item(level, content[:body_size], content[body_size:]), stop + CRC.size - at
