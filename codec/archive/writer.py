"""Writes an archive: records go to a journal one by one, and to the archive block by block.

At every moment the files on disk hold all records. Blocks before the offset that the journal gives
are never touched, and the records after them are in the journal. A full block is written at that
offset and synced, and then a new journal replaces the old one atomically. `codec.archive.journal`
has the bytes.
"""

import contextlib
import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from codec.archive.blocks import (
    Head,
    Header,
    Item,
    header_seed,
    is_full,
    pack_block,
    pack_header,
)
from codec.archive.disk import (
    CLOSED,
    JournalFile,
    journal_path,
    naming,
    sync_folder,
    write_at,
    write_whole,
)
from codec.archive.index import Layout, pack_index
from codec.archive.journal import JournalStart, pack_entry
from codec.archive.name_lists import encode_name
from codec.archive.names import Names
from codec.archive.reader import check_model
from codec.archive.snapshot import read_block, read_head, take_snapshot
from codec.errors import ArchiveError, InvalidInput
from codec.record.frame import open_seal


def create(path: Path | str, model_id: bytes, *, name: str = "", version: str = "") -> None:
    """Creates an archive without records, atomically.

    Raises ArchiveError if the file or its journal exists already.
    """
    path = Path(path)
    with naming(path):
        packed = pack_header(Header(model_id, name, version))
        if os.path.lexists(journal_path(path)):
            raise ArchiveError(f"{journal_path(path)} is left of another archive; remove it first")
        empty = packed + pack_index(Layout(len(packed)), header_seed(packed))
        temporary = path.with_name(f".{path.name[:64]}.{os.getpid()}.part")
        try:
            os.close(write_whole(temporary, empty))
            os.link(temporary, path)  # unlike a rename, this never replaces a file
        except FileExistsError as error:
            raise ArchiveError("exists already") from error
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(path.parent)


class ArchiveWriter:
    """Appends records to an existing archive.

    If the process is killed, every record whose `append` has returned survives. After a power
    failure that holds with `sync`; without it, at most the 256 records since the last `flush` are
    lost. The next writer repairs what a crash has left. Raises ArchiveError if the file cannot be
    opened, is open in another writer, or holds records of another model than `model_id`, which the
    error calls `model_name`.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        model_id: bytes | None = None,
        model_name: str = "",
        sync: bool = True,
    ) -> None:
        self.path, self._sync = Path(path), sync
        with naming(self.path), contextlib.ExitStack() as stack:
            self._fd = os.open(self.path, os.O_RDWR)
            stack.callback(os.close, self._fd)
            _lock(self._fd)
            snapshot = take_snapshot(self.path, self._fd)
            self.header, self._seed = snapshot.header, snapshot.seed
            check_model(self.header, model_id, model_name)
            self._layout, self._pending = snapshot.layout, list(snapshot.items)
            self._journal: JournalFile | None = None
            if snapshot.journal:
                self._journal = JournalFile.reopen(self.path, snapshot.journal.size)
            self._names = Names(self._layout, self._names_of)
            stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return self._layout.records + len(self._pending)

    def append(self, record: bytes, name: str | None = None) -> int:
        """Adds a record and returns its number.

        Raises RecordError for the record, InvalidInput for the name or if it is taken. Raises
        ArchiveError if the record cannot be written, and leaves the archive as it was.
        """
        level, body = open_seal(record, self.header.model_id)
        item = Item(level, body, b"" if name is None else encode_name(name))
        with naming(self.path):
            if self._fd == CLOSED:
                raise ArchiveError("is closed")
            if item.name and self._find(item.name) is not None:
                raise InvalidInput(f"the archive has a record named {name} already")
            journal = self._ready()
            journal.append(pack_entry(item, len(self), self._seed), sync=self._sync)
            self._pending.append(item)
        return len(self) - 1

    def find(self, name: str) -> int | None:
        """Number of the record of this name. Raises ArchiveError; InvalidInput for the name."""
        with naming(self.path):
            return self._find(encode_name(name))

    def flush(self) -> None:
        """Syncs all records to disk. Raises ArchiveError."""
        if self._journal is not None:
            with naming(self.path):
                self._journal.flush()

    def close(self) -> None:
        """Completes the archive with its index. Raises ArchiveError, and then keeps the journal."""
        if self._fd == CLOSED:
            return
        try:
            with naming(self.path):
                self._finish()
        finally:
            if self._journal is not None:
                self._journal.close()
            os.close(self._fd)
            self._fd = CLOSED

    def _ready(self) -> JournalFile:
        """A journal with room for a record."""
        if self._journal is None:
            return self._begin()
        if is_full(len(self._pending), sum(len(item.body) for item in self._pending)):
            return self._write_block(self._journal)
        return self._journal

    def _begin(self) -> JournalFile:
        """Creates the journal. A last block that is not full moves back into it."""
        layout, items = self._layout, list[Item]()
        if len(layout):
            last = read_block(self._fd, layout, len(layout) - 1, self._seed)
            if not is_full(len(last), sum(len(item.body) for item in last)):
                layout, items = layout.without_last(), last
        link = read_head(self._fd, layout, len(layout) - 1, self._seed).crc if len(layout) else 0
        start = JournalStart(layout.records, layout.end, link)
        self._journal = JournalFile.replace(self.path, start, items, self._seed)
        if items:
            self._layout, self._pending = layout, items
            self._names = Names(layout, self._names_of)
        return self._journal

    def _write_block(self, old: JournalFile) -> JournalFile:
        """Writes the pending records as a block and begins a new journal after it."""
        head = self._put_block()
        first = self._layout.records + head.start.count
        start = JournalStart(first, self._layout.end + head.start.size, head.crc)
        os.fsync(self._fd)
        self._journal = JournalFile.replace(self.path, start, (), self._seed)
        self._layout.add(head)
        self._pending = []
        self._names.add(len(self._layout) - 1, head.names)
        old.close()
        return self._journal

    def _put_block(self) -> Head:
        """Writes the pending records after the blocks, where readers do not look yet."""
        self._layout.check_room()
        data, head = pack_block(self._pending, self._layout.records, self._seed)
        write_at(self._fd, data, self._layout.end)
        return head

    def _finish(self) -> None:
        if self._journal is None:
            return
        if self._pending:
            self._layout.add(self._put_block())
        index = pack_index(self._layout, self._seed)
        write_at(self._fd, index, self._layout.end)
        os.ftruncate(self._fd, self._layout.end + len(index))
        os.fsync(self._fd)
        self._journal.remove()

    def _find(self, name: bytes) -> int | None:
        number = self._names.find(name)
        if number is not None:
            return number
        pending = [item.name for item in self._pending]
        return self._layout.records + pending.index(name) if name in pending else None

    def _names_of(self, block: int) -> tuple[bytes, ...]:
        return read_head(self._fd, self._layout, block, self._seed).names


def _lock(fd: int) -> None:
    """Locks the file for this process until it is closed. Raises ArchiveError if it is locked."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ArchiveError("is in use: another process is writing to it") from error
