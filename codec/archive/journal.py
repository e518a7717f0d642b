"""The journal NAME.rsa.journal: records of an open archive that are not in a block yet.

    start     "RSAJ"; version, 1 byte; number of the first record, 8 bytes; offset in the archive
              where the blocks before it end, 8 bytes; CRC of the head of the last of these blocks
              or 0, 4 bytes; CRC-32 of the archive's header and of everything above
    records   one after the other, each
        level, 1 byte; length of its body, 4 bytes; of its name, 2 bytes
        CRC-32 of the archive's header, the record's number (8 bytes) and these 7 bytes
        body, name
        CRC-32 of what the first one covers, body and name

All numbers are big endian. While an archive has a journal, the journal gives the offset where the
archive's blocks end, and the rest of the archive file is ignored. A journal is replaced as a whole
and grows record by record, so a crash can only cut the last record short. Any other flaw is damage,
which a reader must report.
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
class JournalStart:
    """Where a journal continues the archive: number of its first record, offset of the end of the
    blocks before, and CRC of the head of the last block (0 without blocks).
    """

    first: int
    offset: int
    link: int


@dataclass(frozen=True, slots=True)
class Journal:
    """A journal: its start, its whole records, and the bytes that these take."""

    start: JournalStart
    items: tuple[Item, ...]
    size: int


def pack_journal(start: JournalStart, items: Sequence[Item], seed: int) -> bytes:
    """The bytes of a journal."""
    data = _START.pack(MAGIC, VERSION, start.first, start.offset, start.link)
    entries = [pack_entry(item, start.first + i, seed) for i, item in enumerate(items)]
    return data + CRC.pack(zlib.crc32(data, seed)) + b"".join(entries)


def pack_entry(item: Item, number: int, seed: int) -> bytes:
    """The bytes to append for a record."""
    start = _ENTRY.pack(item.level, len(item.body), len(item.name))
    crc = zlib.crc32(start, place_seed(seed, number))
    content = item.body + item.name
    return start + CRC.pack(crc) + content + CRC.pack(zlib.crc32(content, crc))


def unpack_journal(data: bytes, seed: int, *, salvage: bool = False) -> Journal:
    """The journal of these bytes, without a last record that is cut short.

    Raises ArchiveError for damage. With `salvage` returns the records before it instead.
    """
    if len(data) > MAX_JOURNAL_BYTES:
        raise ArchiveError(f"a journal of more than {MAX_JOURNAL_BYTES} bytes")
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
    return Journal(JournalStart(first, offset, link), tuple(items), size)


def _check_room(items: Sequence[Item]) -> None:
    if is_full(len(items), sum(len(item.body) for item in items)):
        raise ArchiveError("the journal is damaged: it holds more than a block")


def _entry(data: bytes, at: int, number: int, seed: int) -> tuple[Item, int] | None:
    """The record that begins at `at` and its size in the journal; None if it is cut short."""
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
