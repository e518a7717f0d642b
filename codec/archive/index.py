"""The index at the end of an archive: where its blocks are, and which names they hold.

    kind      "I"
    blocks    n, 4 bytes
    sizes     column of the n blocks' bytes, nothing if n is 0        (codec.archive.columns)
    counts    column of the n blocks' records, nothing if n is 0
    ranges    nothing if no record has a name; a byte 0 if the ranges are too long to be kept;
              otherwise a byte 1 and a list of 2n names, the least and the greatest of each block
              in byte order, both empty where no record has a name
    trailer   size of everything above, 4 bytes; number of records, 8 bytes
              CRC-32 of the archive's header (without its CRC) and of everything above; "RSAI"

All numbers are big endian. An archive without an index was not closed, or was cut short.
"""

import itertools
import struct
import zlib
from collections.abc import Sequence

import numpy as np

from codec.archive.blocks import BLOCK_RECORDS, CRC, MAX_BLOCK_BYTES, PREFIX, Head
from codec.archive.columns import pack_column, unpack_column
from codec.archive.name_lists import NAME_OVERHEAD, pack_names, unpack_names
from codec.arrays import I64
from codec.errors import ArchiveError

MAX_BLOCKS = 2**21
_KIND, _END = b"I", b"RSAI"
_START = struct.Struct(">cI")
_COUNTS = struct.Struct(">IQ")
TRAILER_BYTES = _COUNTS.size + CRC.size + len(_END)
MAX_RANGE_BYTES = 2**24
# Two columns of the longest kind, and the ranges.
MAX_INDEX_BYTES = _START.size + 2 * (6 + 5 * MAX_BLOCKS) + MAX_RANGE_BYTES + 8
_MANY, _RANGES = b"\0", b"\1"
_LEAST_BLOCK = PREFIX.size + CRC.size + 4

Range = tuple[bytes, bytes]


class Layout:
    """Where the blocks are, which records they hold, and the ranges of their names.

    Block b lies at `offsets[b]`..`offsets[b + 1]` and holds the records `firsts[b]`..`firsts[b + 1]
    - 1`. Its names are within `ranges[b]`, (b"", b"") without names. `ranges` is None if an archive
    has names whose ranges are not stored.
    """

    __slots__ = ("firsts", "offsets", "ranges")

    def __init__(self, header_size: int) -> None:
        self.offsets = [header_size]
        self.firsts = [0]
        self.ranges: list[Range] | None = []

    def __len__(self) -> int:
        return len(self.firsts) - 1

    @property
    def records(self) -> int:
        """Number of records in all blocks."""
        return self.firsts[-1]

    @property
    def end(self) -> int:
        """Where the last block ends."""
        return self.offsets[-1]

    def add(self, head: Head) -> None:
        """Adds a block at the end. Raises ArchiveError if there are too many."""
        self.check_room()
        self.offsets.append(self.end + head.start.size)
        self.firsts.append(self.records + head.start.count)
        if self.ranges is not None:
            self.ranges.append(name_range(head.names))

    def check_room(self) -> None:
        """Raises ArchiveError if no block can be added."""
        if len(self) >= MAX_BLOCKS:
            raise ArchiveError(f"the archive is full: it has {MAX_BLOCKS} blocks")

    def without_last(self) -> "Layout":
        """A copy without the last block."""
        shorter = Layout(self.offsets[0])
        shorter.offsets, shorter.firsts = self.offsets[:-1], self.firsts[:-1]
        shorter.ranges = None if self.ranges is None else self.ranges[:-1]
        return shorter


def name_range(names: Sequence[bytes]) -> Range:
    """Least and greatest of the names that are not empty."""
    given = [name for name in names if name]
    return (min(given), max(given)) if given else (b"", b"")


def pack_index(layout: Layout, seed: int) -> bytes:
    """Index and trailer."""
    data = _START.pack(_KIND, len(layout))
    if len(layout):
        data += _differences(layout.offsets)
        data += _differences(layout.firsts)
    data += _pack_ranges(layout)
    data += _COUNTS.pack(len(data), layout.records)
    return data + CRC.pack(zlib.crc32(data, seed)) + _END


def index_size(trailer: bytes) -> int:
    """Bytes of index and trailer, read from the trailer. Raises ArchiveError."""
    if len(trailer) != TRAILER_BYTES or trailer[-len(_END) :] != _END:
        raise ArchiveError("the archive was cut short or not closed: it does not end in its index")
    size: int = _COUNTS.unpack(trailer[: _COUNTS.size])[0]
    if size > MAX_INDEX_BYTES:
        raise ArchiveError(f"an index of {size} bytes, expected at most {MAX_INDEX_BYTES}")
    return size + TRAILER_BYTES


def unpack_index(data: bytes, start: int, stop: int, seed: int) -> Layout:
    """The layout of blocks at `start`..`stop` of their file, from index and trailer.

    Raises ArchiveError.
    """
    body, trailer = data[:-TRAILER_BYTES], data[-TRAILER_BYTES:]
    size, records = _COUNTS.unpack(trailer[: _COUNTS.size])
    if size != len(body) or data[-CRC.size - len(_END) :] != _sealed(data, seed):
        raise ArchiveError("the index is damaged: its checksum is wrong")
    if len(body) < _START.size:
        raise ArchiveError("the index is damaged: it is cut short")
    kind, count = _START.unpack(body[: _START.size])
    if kind != _KIND or count > min(MAX_BLOCKS, (stop - start) // _LEAST_BLOCK):
        raise ArchiveError("the index is damaged: bad magic or too many blocks")
    sizes, at = _column(body, _START.size, count)
    counts, at = _column(body, at, count)
    if sizes.sum() != stop - start or counts.sum() != records or not _possible(sizes, counts):
        raise ArchiveError("the index contradicts the archive: sizes or counts are impossible")
    layout = Layout(start)
    layout.offsets += (start + np.cumsum(sizes)).tolist()
    layout.firsts += np.cumsum(counts).tolist()
    layout.ranges = _unpack_ranges(body[at:], count)
    return layout


def _differences(sums: Sequence[int]) -> bytes:
    values = np.array(sums, np.int64)
    return pack_column(values[1:] - values[:-1])


def _sealed(data: bytes, seed: int) -> bytes:
    """The end of index and trailer: their CRC and the magic."""
    return CRC.pack(zlib.crc32(data[: -CRC.size - len(_END)], seed)) + _END


def _possible(sizes: I64, counts: I64) -> bool:
    small = (sizes <= MAX_BLOCK_BYTES).all()
    return bool(small and ((counts >= 1) & (counts <= BLOCK_RECORDS)).all())


def _column(data: bytes, at: int, count: int) -> tuple[I64, int]:
    return unpack_column(data, at, count) if count else (np.zeros(0, np.int64), at)


def _pack_ranges(layout: Layout) -> bytes:
    if layout.ranges is None:
        return _MANY
    names = list(itertools.chain.from_iterable(layout.ranges))
    if not any(names):
        return b""
    if sum(map(len, names)) + NAME_OVERHEAD * len(names) > MAX_RANGE_BYTES:
        return _MANY
    return _RANGES + pack_names(names)


def _unpack_ranges(data: bytes, count: int) -> list[Range] | None:
    if not data:
        return [(b"", b"")] * count
    if data == _MANY:
        return None
    if data[:1] != _RANGES:
        raise ArchiveError("the index is damaged: ranges of names of an unknown form")
    names = iter(unpack_names(data[1:], 2 * count, MAX_RANGE_BYTES))
    return list(zip(names, names, strict=True))
