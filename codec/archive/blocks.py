"""Header and blocks of an archive.

    header
        89 52 53 41 0D 0A 1A 0A; format version, 1 byte (1); model id, 32 bytes
        name and version of the model: length, 1 byte, and UTF-8, each
        CRC-32 of all of the above
    block
        "B"; number of records less one, 1 byte; bytes of levels, lengths and names, 4 bytes; bytes
        of the bodies, 4 bytes; CRC-32 of the bodies
        levels    column, one number 0..31 per record              (codec.archive.columns)
        lengths   column, bytes of each body
        names     list of a name per record, or nothing             (codec.archive.name_lists)
        CRC-32 of the archive's header (without its CRC), the number of the first record (8 bytes)
        and the block so far
        bodies    one after the other: records without their tails  (codec.record.frame)

All numbers are big endian, all CRCs zlib's. The seed of the CRCs makes a block that was moved, or
that belongs to another model's archive, damage like any other.
"""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from codec.archive.columns import pack_column, unpack_column
from codec.archive.name_lists import MAX_NAME_BYTES, NAME_OVERHEAD, pack_names, unpack_names
from codec.arrays import I64
from codec.errors import ArchiveError
from codec.record.frame import MAX_RECORD_BYTES

MAGIC = b"\x89RSA\r\n\x1a\n"
VERSION = 1
MODEL_ID_BYTES = 32
MAX_LABEL_BYTES = 255
MAX_HEADER_BYTES = len(MAGIC) + 1 + MODEL_ID_BYTES + 2 * (1 + MAX_LABEL_BYTES) + 4
# A block is full when it has this number of records, or bodies of this number of bytes.
BLOCK_RECORDS, BLOCK_BYTES = 256, 2**18
MAX_BODIES = BLOCK_BYTES + MAX_RECORD_BYTES
MAX_LEVEL = 31
CRC = struct.Struct(">I")
# Kind, records less one, bytes of columns and names, bytes of the bodies, their CRC.
PREFIX = struct.Struct(">cBIII")
_BLOCK = b"B"
_NAMES_LIMIT = BLOCK_RECORDS * (MAX_NAME_BYTES + NAME_OVERHEAD)
# Names that do not shrink, and two columns.
_HEAD_LIMIT = _NAMES_LIMIT + 2**12
MAX_BLOCK_BYTES = PREFIX.size + _HEAD_LIMIT + CRC.size + MAX_BODIES


class Item(NamedTuple):
    """A record inside an archive: its level, its body without the tail, its name or b""."""

    level: int
    body: bytes
    name: bytes = b""


@dataclass(frozen=True, slots=True)
class Header:
    """What all records of an archive share: the model's id, and its name and version to display."""

    model_id: bytes
    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Start:
    """The first bytes of a block: number of records, and sizes of the two parts that follow."""

    count: int
    head: int
    bodies: int
    bodies_crc: int

    @property
    def head_size(self) -> int:
        """Bytes of the block before its bodies."""
        return PREFIX.size + self.head + CRC.size

    @property
    def size(self) -> int:
        """Bytes of the block."""
        return self.head_size + self.bodies


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """Levels `[n]`, lengths `[n]` in bytes and names of a block's records; () without names."""

    start: Start
    levels: I64
    lengths: I64
    names: tuple[bytes, ...]
    crc: int


def pack_header(header: Header) -> bytes:
    """The header with its CRC. Raises ArchiveError for an id or labels that do not fit."""
    labels = [label.encode("utf-8", "replace") for label in (header.name, header.version)]
    if len(header.model_id) != MODEL_ID_BYTES or max(map(len, labels)) > MAX_LABEL_BYTES:
        raise ArchiveError(
            f"a model id of {len(header.model_id)} bytes, name and version of "
            f"{len(labels[0])} and {len(labels[1])}; expected {MODEL_ID_BYTES} and at most "
            f"{MAX_LABEL_BYTES} each"
        )
    label_bytes = b"".join(bytes([len(label)]) + label for label in labels)
    data = MAGIC + bytes([VERSION]) + header.model_id + label_bytes
    return data + CRC.pack(zlib.crc32(data))


def unpack_header(data: bytes) -> tuple[Header, int]:
    """The header at the beginning of `data`, and its size. Raises ArchiveError."""
    if data[: len(MAGIC)] != MAGIC:
        raise ArchiveError("not a Residuum archive")
    at = len(MAGIC) + 1
    if len(data) < at or data[at - 1] != VERSION:
        raise ArchiveError(
            f"format version {data[at - 1 : at].hex()}, this software reads {VERSION}"
        )
    model_id, at = data[at : at + MODEL_ID_BYTES], at + MODEL_ID_BYTES
    labels = []
    for _ in range(2):
        size = int.from_bytes(data[at : at + 1])
        labels.append(data[at + 1 : at + 1 + size])
        at += 1 + size
    stored = data[at : at + CRC.size]
    if stored != CRC.pack(zlib.crc32(data[:at])):
        raise ArchiveError("the header is damaged or cut short")
    name, version = (label.decode("utf-8", "replace") for label in labels)
    return Header(model_id, name, version), at + CRC.size


def header_seed(packed: bytes) -> int:
    """The CRC of the header, from which the CRCs of all other parts continue."""
    return zlib.crc32(packed[: -CRC.size])


def place_seed(seed: int, first: int) -> int:
    """The CRC from which that of a block or entry continues whose first record is `first`."""
    return zlib.crc32(first.to_bytes(8, "big"), seed)


def is_full(count: int, bodies: int) -> bool:
    """Whether `count` records with bodies of `bodies` bytes make a full block."""
    return count >= BLOCK_RECORDS or bodies >= BLOCK_BYTES


def pack_block(items: Sequence[Item], first: int, seed: int) -> tuple[bytes, Head]:
    """A block of 1..256 records, beginning with number `first`."""
    bodies = b"".join(item.body for item in items)
    levels = np.array([item.level for item in items], np.int64)
    lengths = np.array([len(item.body) for item in items], np.int64)
    names = tuple(item.name for item in items)
    names = names if any(names) else ()
    columns = pack_column(levels) + pack_column(lengths) + (pack_names(names) if names else b"")
    start = Start(len(items), len(columns), len(bodies), zlib.crc32(bodies))
    data = pack_start(start) + columns
    crc = zlib.crc32(data, place_seed(seed, first))
    return data + CRC.pack(crc) + bodies, Head(start, levels, lengths, names, crc)


def pack_start(start: Start) -> bytes:
    """The first bytes of a block."""
    return PREFIX.pack(_BLOCK, start.count - 1, start.head, start.bodies, start.bodies_crc)


def unpack_start(data: bytes) -> Start:
    """The start that `pack_start` wrote. Raises ArchiveError, also for impossible sizes."""
    if len(data) != PREFIX.size:
        raise ArchiveError("a block is cut short")
    kind, last, head, bodies, crc = PREFIX.unpack(data)
    if kind != _BLOCK or head > _HEAD_LIMIT or bodies > MAX_BODIES:
        raise ArchiveError("a block is damaged: bad magic or impossible sizes")
    return Start(last + 1, head, bodies, crc)


def unpack_head(data: bytes, first: int, seed: int, *, names: bool = True) -> Head:
    """The part of a block before its bodies; names only on request. Raises ArchiveError."""
    start = unpack_start(data[: PREFIX.size])
    if len(data) != start.head_size:
        raise ArchiveError("a block is cut short")
    crc = zlib.crc32(data[: -CRC.size], place_seed(seed, first))
    if CRC.pack(crc) != data[-CRC.size :]:
        raise ArchiveError("a block is damaged: the checksum of its head is wrong")
    columns = data[PREFIX.size : -CRC.size]
    levels, at = unpack_column(columns, 0, start.count)
    lengths, at = unpack_column(columns, at, start.count)
    if levels.max() > MAX_LEVEL or lengths.sum() != start.bodies:
        raise ArchiveError("a block contradicts itself: levels or lengths are impossible")
    unpacked: list[bytes] = []
    if names and at < len(columns):
        unpacked = unpack_names(columns[at:], start.count, _NAMES_LIMIT)
    return Head(start, levels, lengths, tuple(unpacked), crc)


def unpack_block(data: bytes, first: int, seed: int, *, names: bool = True) -> list[Item]:
    """The records of a block, with their names only on request. Raises ArchiveError."""
    start = unpack_start(data[: PREFIX.size])
    head = unpack_head(data[: start.head_size], first, seed, names=names)
    bodies = data[start.head_size :]
    if len(bodies) != start.bodies or zlib.crc32(bodies) != start.bodies_crc:
        raise ArchiveError("a block is damaged: the checksum of its records is wrong")
    ends = np.cumsum(head.lengths).tolist()
    all_names = head.names or (b"",) * start.count
    cuts = zip(head.levels.tolist(), [0, *ends], ends, all_names, strict=False)
    return [Item(level, bodies[low:high], name) for level, low, high, name in cuts]
