"""Archives on disk, by the codec, which only the extra `offline` brings."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from residuum_client import errors
from residuum_client.offline import translated
from residuum_client.results import ModelInfo

if TYPE_CHECKING:
    import codec.archive
    from codec.archive import Damage as Damage
    from codec.archive import Entry as Entry

# The level of records that hold evidence beside the image, of any quality (codec.record.frame).
EVIDENCE = 31


class ReadArchive:
    """An archive that is open for reading. All methods raise ResiduumError."""

    def __init__(self, reader: "codec.archive.ArchiveReader") -> None:
        self._reader = reader
        self.name, self.version = reader.header.name, reader.header.version
        self.model_id, self.blocks = reader.header.model_id, reader.blocks

    def __len__(self) -> int:
        return len(self._reader)

    def record(self, number: int) -> bytes:
        """The bytes of a record."""
        with translated():
            return self._reader.record(number)

    def entry(self, number: int) -> "Entry":
        """Name, size and level of a record."""
        with translated():
            return self._reader.entry(number)

    def find(self, name: str) -> int | None:
        """Number of the record of this name."""
        with translated():
            return self._reader.find(name)

    def verify(self) -> "Iterator[Damage | None]":
        """What is wrong with each block, or None."""
        return self._reader.verify()


class WrittenArchive:
    """An archive that is open for appending. All methods raise ResiduumError."""

    def __init__(self, writer: "codec.archive.ArchiveWriter") -> None:
        self._writer = writer

    def __len__(self) -> int:
        return len(self._writer)

    def append(self, record: bytes, name: str) -> int:
        """Adds a record, and gives its number."""
        with translated():
            return self._writer.append(record, name)

    def check_name(self, name: str) -> None:
        """Raises InvalidInput for what is no name, or is taken."""
        with translated():
            if self._writer.find(name) is not None:
                raise errors.InvalidInput(f"the archive has a record of the name {name} already")


@contextmanager
def reading(
    path: Path, *, model_id: bytes | None = None, salvage: bool = False
) -> Iterator[ReadArchive]:
    """The archive at `path`. Raises ArchiveError, NotInstalled."""
    _check_installed()
    from codec.archive import ArchiveReader

    with translated():
        reader = ArchiveReader(path, model_id=model_id, salvage=salvage)
    with reader:
        yield ReadArchive(reader)


@contextmanager
def appending(path: Path, *, model_id: bytes | None = None) -> Iterator[WrittenArchive]:
    """The archive at `path`; whole again at the end, whatever happens. Raises as `reading` does."""
    _check_installed()
    from codec.archive import ArchiveWriter

    with translated():
        # Each block is brought to the disk, and the end; single records only to the system.
        writer = ArchiveWriter(path, model_id=model_id, sync=False)
    try:
        yield WrittenArchive(writer)
    finally:
        with translated():
            writer.close()


@contextmanager
def creating(path: Path, model: ModelInfo) -> Iterator[WrittenArchive]:
    """A new archive at `path`; none, if no record comes into it. Raises as `reading` does."""
    _check_installed()
    from codec.archive import create

    with translated():
        create(path, model.model_id, name=model.name, version=model.version)
    count = 0
    try:
        with appending(path, model_id=model.model_id) as archive:
            try:
                yield archive
            finally:
                count = len(archive)
    finally:
        if not count:
            path.unlink(missing_ok=True)


def _check_installed() -> None:
    try:
        import codec.archive  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise errors.NotInstalled(
            f"archives need the codec: pip install 'residuum-client[offline]' ({error})"
        ) from error
