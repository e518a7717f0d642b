"""The index at the end of an archive: where its blocks are, how many records and which names they hold.

    kind      "I"
    blocks    n, 4 bytes
    sizes     column of the n blocks' bytes            (codec.archive_columns; both left out if n is 0)
    counts    column of the n blocks' records
    ranges    nothing if no record has a name; one zero byte if they are too many; otherwise one byte 1
              and a list of 2n names: the least and the greatest of each block, in the order of bytes
    trailer   size of all of the above, 4 bytes; records, 8 bytes; CRC-32 of header, all of the above,
              size and records; "RSAI"

All numbers are big endian. An archive without an index was not closed, or was cut short.
"""

import itertools
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from codec.archive_blocks import BLOCK_RECORDS, CRC, PREFIX, Head
from codec.archive_columns import I64, pack_column, pack_names, unpack_column, unpack_names
from codec.errors import ArchiveError

MAX_BLOCKS = 2**21
_KIND, _END = b"I", b"RSAI"
_START = struct.Struct(">cI")
_TRAILER = struct.Struct(">IQI4s")
TRAILER_BYTES = _TRAILER.size
MAX_RANGE_BYTES = 2**24
# Two columns of the longest kind, and the ranges.
MAX_INDEX_BYTES = _START.size + 2 * (6 + 5 * MAX_BLOCKS) + MAX_RANGE_BYTES + 8
_MANY, _RANGES = b"\0", b"\1"
_LEAST_BLOCK = PREFIX.size + CRC.size + 4

Range = tuple[bytes, bytes]


@dataclass(slots=True)
class Layout:
    """Where the blocks are: sizes in bytes, records, and the range of names of each, (b"", b"")
    without names; `ranges` is None where names are there but their ranges are not known.
    """

    sizes: list[int] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    ranges: list[Range] | None = field(default_factory=list)

    def add(self, head: Head) -> None:
        """One more block at the end."""
        if len(self.sizes) == MAX_BLOCKS:
            raise ArchiveError(f"the archive is full: it has {MAX_BLOCKS} blocks")
        self.sizes.append(head.start.size)
        self.counts.append(head.start.count)
        if self.ranges is not None:
            self.ranges.append(name_range(head.names))

    def drop(self) -> None:
        """One block less at the end."""
        for column in (self.sizes, self.counts, self.ranges or []):
            if column:
                column.pop()


def name_range(names: Sequence[bytes]) -> Range:
    """Least and greatest of the names, those that are empty left out."""
    given = [name for name in names if name]
    return (min(given), max(given)) if given else (b"", b"")


def pack_index(layout: Layout, seed: int) -> bytes:
    """Index and trailer."""
    columns = [np.array(values, np.int64) for values in (layout.sizes, layout.counts)]
    count = len(layout.sizes)
    data = _START.pack(_KIND, count)
    data += b"".join(pack_column(column) for column in columns if count) + _pack_ranges(layout)
    data += _TRAILER.pack(len(data), sum(layout.counts), 0, _END)[: -CRC.size - len(_END)]
    return data + CRC.pack(zlib.crc32(data, seed)) + _END


def index_size(trailer: bytes) -> int:
    """Bytes of index and trailer, from the trailer. Raises ArchiveError."""
    if len(trailer) != TRAILER_BYTES or trailer[-len(_END) :] != _END:
        raise ArchiveError("the archive was cut short or not closed: it does not end in its index")
    size = int(_TRAILER.unpack(trailer)[0])
    if size > MAX_INDEX_BYTES:
        raise ArchiveError(f"an index of {size} bytes, at most {MAX_INDEX_BYTES} are read")
    return size + TRAILER_BYTES


def unpack_index(data: bytes, blocks: int, seed: int) -> Layout:
    """Undoes `pack_index` for an archive with `blocks` bytes of blocks. Raises ArchiveError."""
    body, (size, records, crc, _) = data[:-TRAILER_BYTES], _TRAILER.unpack(data[-TRAILER_BYTES:])
    if size != len(body) or zlib.crc32(data[: -CRC.size - len(_END)], seed) != crc:
        raise ArchiveError("the index is damaged: its checksum is wrong")
    kind, count = _START.unpack(body[: _START.size].ljust(_START.size, b"\0"))
    if kind != _KIND or count > min(MAX_BLOCKS, blocks // _LEAST_BLOCK):
        raise ArchiveError("the index is damaged: it does not begin like one")
    sizes, at = _column(body, _START.size, count)
    counts, at = _column(body, at, count)
    if sizes.sum() != blocks or counts.sum() != records or not _possible(counts):
        raise ArchiveError("the index contradicts the archive: sizes or counts are impossible")
    ranges = _unpack_ranges(body[at:], count)
    return Layout(sizes.tolist(), counts.tolist(), ranges)


def _possible(counts: I64) -> bool:
    return bool(((counts >= 1) & (counts <= BLOCK_RECORDS)).all())


def _column(data: bytes, at: int, count: int) -> tuple[I64, int]:
    return unpack_column(data, at, count) if count else (np.zeros(0, np.int64), at)


def _pack_ranges(layout: Layout) -> bytes:
    if layout.ranges is None:
        return _MANY
    names = list(itertools.chain.from_iterable(layout.ranges))
    if not any(names):
        return b""
    # 4 bytes beside each name are the most that a list of them adds.
    if sum(map(len, names)) + 4 * len(names) > MAX_RANGE_BYTES:
        return _MANY
    return _RANGES + pack_names(names)


def _unpack_ranges(data: bytes, count: int) -> list[Range] | None:
    if not data:
        return [(b"", b"")] * count
    if data == _MANY:
        return None
    if data[:1] != _RANGES:
        raise ArchiveError("the index is damaged: ranges of names in no form that is read")
    names = iter(unpack_names(data[1:], 2 * count, MAX_RANGE_BYTES))
    return list(zip(names, names, strict=True))
