"""Writing an archive: records go to a journal one by one, and to the archive block by block.

An open archive is never without a whole account of its records. Its blocks up to the place that the
journal names are never touched; the records after them are in the journal. A full block is written
behind that place and brought to the disk, and then a new journal replaces the old one in one step.
`codec.archive.journal` has the bytes.
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
    sync_folder,
    told,
    write_at,
    write_whole,
)
from codec.archive.index import Layout, pack_index
from codec.archive.journal import Place, pack_entry
from codec.archive.name_lists import encode_name
from codec.archive.names import Names
from codec.archive.reader import check_model
from codec.archive.snapshot import read_block, read_head, take_snapshot
from codec.errors import ArchiveError, InvalidInput
from codec.record.frame import open_seal


def create(path: Path | str, model_id: bytes, *, name: str = "", version: str = "") -> None:
    """Makes an archive without records for a model; complete or not at all.

    Raises ArchiveError if something of that name is there already.
    """
    path = Path(path)
    with told(path):
        packed = pack_header(Header(model_id, name, version))
        if os.path.lexists(journal_path(path)):
            raise ArchiveError(f"{journal_path(path)} is left of another archive; remove it first")
        empty = packed + pack_index(Layout(len(packed)), header_seed(packed))
        temporary = path.with_name(f".{path.name[:64]}.{os.getpid()}.part")
        try:
            os.close(write_whole(temporary, empty))
            os.link(temporary, path)  # unlike a renaming, this never replaces anything
        except FileExistsError as error:
            raise ArchiveError("exists already") from error
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(path.parent)


class ArchiveWriter:
    """Appends records to the archive at `path`, which `create` has made.

    Whoever kills this process loses no record whose `append` has returned; after a failure of power
    that is so for `sync`, or else for what came before the last `flush`, and at most 256 records
    are lost. What a crash has left is put in order by the next writer. Raises ArchiveError for the
    file, while another writer has it open, and where `model_id` is given and not that of the
    archive.
    """

    def __init__(
        self, path: Path | str, *, model_id: bytes | None = None, sync: bool = True
    ) -> None:
        self.path, self._sync = Path(path), sync
        with told(self.path), contextlib.ExitStack() as stack:
            self._fd = os.open(self.path, os.O_RDWR)
            stack.callback(os.close, self._fd)
            _lock(self._fd)
            snapshot = take_snapshot(self.path, self._fd)
            self.header, self._seed = snapshot.header, snapshot.seed
            check_model(self.header, model_id)
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
        """Adds a record, and gives its number.

        Raises RecordError for the record, InvalidInput for the name or if a record has it already,
        ArchiveError where the record could not be written; then the archive is as it was before.
        """
        level, body = open_seal(record, self.header.model_id)
        item = Item(level, body, b"" if name is None else encode_name(name))
        with told(self.path):
            if self._fd == CLOSED:
                raise ArchiveError("was closed")
            if item.name and self._find(item.name) is not None:
                raise InvalidInput(f"the archive has a record of the name {name} already")
            journal = self._ready()
            journal.append(pack_entry(item, len(self), self._seed), sync=self._sync)
            self._pending.append(item)
        return len(self) - 1

    def find(self, name: str) -> int | None:
        """Number of the record of this name. Raises ArchiveError; InvalidInput for the name."""
        with told(self.path):
            return self._find(encode_name(name))

    def flush(self) -> None:
        """Brings all records to the disk. Raises ArchiveError."""
        if self._journal is not None:
            with told(self.path):
                self._journal.flush()

    def close(self) -> None:
        """Ends the archive with its index. Raises ArchiveError; its journal then keeps the rest."""
        if self._fd == CLOSED:
            return
        try:
            with told(self.path):
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
        """Makes the journal; takes the last block back into it if that is not full."""
        layout, items = self._layout, list[Item]()
        if len(layout):
            last = read_block(self._fd, layout, len(layout) - 1, self._seed)
            if not is_full(len(last), sum(len(item.body) for item in last)):
                layout, items = layout.without_last(), last
        link = read_head(self._fd, layout, len(layout) - 1, self._seed).crc if len(layout) else 0
        place = Place(layout.records, layout.end, link)
        self._journal = JournalFile.replace(self.path, place, items, self._seed)
        if items:
            self._layout, self._pending = layout, items
            self._names = Names(layout, self._names_of)
        return self._journal

    def _write_block(self, old: JournalFile) -> JournalFile:
        """Makes the pending records a block, and begins a journal behind it."""
        head = self._put_block()
        first = self._layout.records + head.start.count
        place = Place(first, self._layout.end + head.start.size, head.crc)
        os.fsync(self._fd)
        self._journal = JournalFile.replace(self.path, place, (), self._seed)
        self._layout.add(head)
        self._pending = []
        self._names.add(len(self._layout) - 1, head.names)
        old.close()
        return self._journal

    def _put_block(self) -> Head:
        """Writes the pending records behind the blocks, where nothing counts yet."""
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
    """For this process alone, until the file is closed or the process ends."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ArchiveError("is in use: someone else is writing to it") from error
