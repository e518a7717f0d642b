"""The contents of an archive and its journal at one moment."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from codec.archive.blocks import (
    MAX_HEADER_BYTES,
    PREFIX,
    Head,
    Header,
    Item,
    header_seed,
    unpack_block,
    unpack_head,
    unpack_header,
    unpack_start,
)
from codec.archive.disk import journal_path, read_at
from codec.archive.index import TRAILER_BYTES, Layout, index_size, unpack_index
from codec.archive.journal import MAX_JOURNAL_BYTES, Journal, JournalStart, unpack_journal
from codec.errors import ArchiveError

# A writer may replace the journal while a reader opens the archive; then the reader tries again.
_ATTEMPTS, _PAUSE_SECONDS = 5, 0.02


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Blocks and journal of an archive that belong together."""

    header: Header
    seed: int
    layout: Layout
    journal: Journal | None

    @property
    def items(self) -> tuple[Item, ...]:
        """The records after the blocks."""
        return self.journal.items if self.journal else ()


def take_snapshot(path: Path, fd: int, *, salvage: bool = False) -> Snapshot:
    """The contents of the archive, opened as `fd`, and of its journal. Raises ArchiveError.

    With `salvage`, an archive that was cut short or lost its index or journal gives all whole
    blocks from its beginning.
    """
    for attempt in range(_ATTEMPTS):
        before = _identity(journal_path(path))
        try:
            return _snapshot(path, fd, salvage=salvage)
        except ArchiveError:
            if attempt == _ATTEMPTS - 1 or _identity(journal_path(path)) == before:
                raise
            time.sleep(_PAUSE_SECONDS)
    raise AssertionError("the last attempt returns or raises")


def read_head(fd: int, layout: Layout, block: int, seed: int) -> Head:
    """The head of block number `block`. Raises ArchiveError."""
    offset = layout.offsets[block]
    head = _head_at(fd, offset, layout.firsts[block], seed)
    count = layout.firsts[block + 1] - layout.firsts[block]
    if (head.start.count, head.start.size) != (count, layout.offsets[block + 1] - offset):
        raise ArchiveError("a block is damaged: its size or count contradicts the index")
    return head


def read_block(fd: int, layout: Layout, block: int, seed: int, *, names: bool = True) -> list[Item]:
    """The records of block number `block`, with their names on request. Raises ArchiveError."""
    offset, first = layout.offsets[block], layout.firsts[block]
    data = read_at(fd, offset, layout.offsets[block + 1] - offset)
    items = unpack_block(data, first, seed, names=names)
    if len(items) != layout.firsts[block + 1] - first:
        raise ArchiveError("a block is damaged: its size or count contradicts the index")
    return items


def _snapshot(path: Path, fd: int, *, salvage: bool) -> Snapshot:
    begin = read_at(fd, 0, MAX_HEADER_BYTES)
    header, size = unpack_header(begin)
    seed = header_seed(begin[:size])
    journal = _read_journal(journal_path(path), seed, salvage=salvage)
    stop = os.fstat(fd).st_size
    if journal is None:
        return Snapshot(header, seed, _indexed(fd, size, stop, seed, salvage=salvage), None)
    if journal.start.offset > stop:
        raise ArchiveError(f"{stop} bytes, the journal expects at least {journal.start.offset}")
    layout, link = _scanned(fd, size, journal.start.offset, seed, salvage=salvage)
    if JournalStart(layout.records, layout.end, link) == journal.start:
        return Snapshot(header, seed, layout, journal)
    if not salvage:
        raise ArchiveError("the journal belongs to another archive or an earlier state of it")
    return Snapshot(header, seed, layout, None)


def _indexed(fd: int, start: int, stop: int, seed: int, *, salvage: bool) -> Layout:
    """The blocks by the index at the end of the file."""
    try:
        return _by_index(fd, start, stop, seed)
    except ArchiveError:
        if salvage:
            return _scanned(fd, start, stop, seed, salvage=True)[0]
        raise


def _by_index(fd: int, start: int, stop: int, seed: int) -> Layout:
    size = index_size(read_at(fd, max(start, stop - TRAILER_BYTES), TRAILER_BYTES))
    if size > stop - start:
        raise ArchiveError(f"an index of {size} bytes in a file of {stop} bytes")
    return unpack_index(read_at(fd, stop - size, size), start, stop - size, seed)


def _scanned(fd: int, start: int, stop: int, seed: int, *, salvage: bool) -> tuple[Layout, int]:
    """The blocks that fill `start`..`stop`, and the CRC of the head of the last."""
    layout, link = Layout(start), 0
    try:
        while layout.end < stop:
            head = _head_at(fd, layout.end, layout.records, seed)
            _check_end(layout.end + head.start.size, stop)
            layout.add(head)
            link = head.crc
    except ArchiveError:
        if not salvage:
            raise
    return layout, link


def _check_end(end: int, stop: int) -> None:
    if end > stop:
        raise ArchiveError(f"a block that ends at {end} is cut short at {stop}")


def _head_at(fd: int, offset: int, first: int, seed: int) -> Head:
    start = unpack_start(read_at(fd, offset, PREFIX.size))
    return unpack_head(read_at(fd, offset, start.head_size), first, seed)


def _read_journal(path: Path, seed: int, *, salvage: bool) -> Journal | None:
    """The journal, or None if the file does not exist."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_JOURNAL_BYTES + 1)
    except FileNotFoundError:
        return None
    try:
        return unpack_journal(data, seed, salvage=salvage)
    except ArchiveError:
        if salvage:
            return None
        raise


def _identity(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
