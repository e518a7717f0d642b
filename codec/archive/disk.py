"""Reads and writes the bytes of an archive and of its journal."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from codec.archive.blocks import Item
from codec.archive.journal import JournalStart, pack_journal
from codec.errors import ArchiveError

# Replaces the descriptor of a closed file.
CLOSED = -1


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Raises errors as ArchiveError with the path of the archive."""
    try:
        yield
    except ArchiveError as error:
        raise ArchiveError(f"archive {path}: {error}") from error
    except OSError as error:
        raise ArchiveError(f"archive {path}: {error.strerror or error}") from error


def journal_path(path: Path) -> Path:
    """The journal of the archive at `path`."""
    return path.with_name(path.name + ".journal")


def read_at(fd: int, offset: int, size: int) -> bytes:
    """Up to `size` bytes, fewer at the end of the file."""
    parts = []
    while size and (part := os.pread(fd, size, offset)):
        parts.append(part)
        offset, size = offset + len(part), size - len(part)
    return b"".join(parts)


def write_at(fd: int, data: bytes, offset: int) -> None:
    """Writes all bytes."""
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view, offset = view[written:], offset + written


def write_whole(path: Path, data: bytes) -> int:
    """Writes a whole file and syncs it. Returns its descriptor, still open."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        write_at(fd, data, 0)
        os.fsync(fd)
    except BaseException:
        os.close(fd)
        raise
    return fd


def sync_folder(path: Path) -> None:
    """Syncs a folder, so that the names of its files survive a power failure."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class JournalFile:
    """The journal of the archive at `archive`, open for appending after its first `size` bytes."""

    def __init__(self, archive: Path, fd: int, size: int) -> None:
        self._path, self._fd, self._size = journal_path(archive), fd, size

    @classmethod
    def replace(cls, archive: Path, start: JournalStart, items: Sequence[Item], seed: int) -> Self:
        """Puts a new journal in the place of any other, atomically."""
        data, path = pack_journal(start, items, seed), journal_path(archive)
        part = path.with_name(path.name + ".part")
        fd = write_whole(part, data)
        try:
            part.replace(path)
            sync_folder(path.parent)
        except BaseException:
            os.close(fd)
            raise
        return cls(archive, fd, len(data))

    @classmethod
    def reopen(cls, archive: Path, size: int) -> Self:
        """The existing journal, cut to `size` bytes."""
        fd = os.open(journal_path(archive), os.O_RDWR)
        os.ftruncate(fd, size)
        return cls(archive, fd, size)

    def append(self, entry: bytes, *, sync: bool) -> None:
        """Adds the bytes of a record. After a failure the next record overwrites them."""
        write_at(self._fd, entry, self._size)
        if sync:
            os.fsync(self._fd)
        self._size += len(entry)

    def flush(self) -> None:
        """Syncs the file."""
        os.fsync(self._fd)

    def remove(self) -> None:
        """Deletes the file."""
        self._path.unlink()
        sync_folder(self._path.parent)

    def close(self) -> None:
        """Closes the file."""
        if self._fd != CLOSED:
            os.close(self._fd)
        self._fd = CLOSED
