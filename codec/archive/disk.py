"""Bytes of an archive and of its journal to and from the disk."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from codec.archive.blocks import Item
from codec.archive.journal import Place, pack_journal
from codec.errors import ArchiveError

# In the place of the descriptor of a file that was closed.
CLOSED = -1


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Errors as ArchiveError that begins with the path of the archive."""
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
    """All of the bytes."""
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view, offset = view[written:], offset + written


def write_whole(path: Path, data: bytes) -> int:
    """Makes a file, or another content of it, and brings it to the disk; it stays open."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        write_at(fd, data, 0)
        os.fsync(fd)
    except BaseException:
        os.close(fd)
        raise
    return fd


def sync_folder(path: Path) -> None:
    """Brings the names of a folder's files to the disk."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class JournalFile:
    """The journal of the archive at `archive`, open for appending behind its first `size` bytes."""

    def __init__(self, archive: Path, fd: int, size: int) -> None:
        self._path, self._fd, self._size = journal_path(archive), fd, size

    @classmethod
    def replace(cls, archive: Path, place: Place, items: Sequence[Item], seed: int) -> Self:
        """A new journal instead of whatever is there, in one step."""
        data, path = pack_journal(place, items, seed), journal_path(archive)
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
        """The journal that is there; what is behind `size` is cut."""
        fd = os.open(journal_path(archive), os.O_RDWR)
        os.ftruncate(fd, size)
        return cls(archive, fd, size)

    def append(self, entry: bytes, *, sync: bool) -> None:
        """Adds the bytes of a record; if that fails, the next one takes their place."""
        write_at(self._fd, entry, self._size)
        if sync:
            os.fsync(self._fd)
        self._size += len(entry)

    def flush(self) -> None:
        """Brings it to the disk."""
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
