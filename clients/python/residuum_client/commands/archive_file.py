"""Archive files, read and written by the codec, which comes with the extra `offline`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from residuum_client import errors
from residuum_client.codec_adapter import INSTALL, translated
from residuum_client.results import ModelInfo

if TYPE_CHECKING:
    import codec.archive
    from codec.archive import Damage as Damage
    from codec.archive import Entry as Entry

# The level byte of records with evidence, whatever their quality (codec.record.frame).
EVIDENCE = 31


class _Expected(TypedDict, total=False):
    model_id: bytes
    model_name: str


class ReadArchive:
    """An archive open for reading. All methods raise ResiduumError."""

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
        """Number of the record with this name, or None."""
        with translated():
            return self._reader.find(name)

    def verify(self) -> "Iterator[Damage | None]":
        """The damage of each block, or None."""
        return self._reader.verify()


class WrittenArchive:
    """An archive open for appending. All methods raise ResiduumError."""

    def __init__(self, writer: "codec.archive.ArchiveWriter") -> None:
        self._writer = writer

    def __len__(self) -> int:
        return len(self._writer)

    def append(self, record: bytes, name: str) -> int:
        """Adds a record and returns its number."""
        with translated():
            return self._writer.append(record, name)

    def has(self, name: str) -> bool:
        """Whether a record has this name. Raises InvalidInput for a name that is not allowed."""
        with translated():
            return self._writer.find(name) is not None


@contextmanager
def reading(
    path: Path, model: ModelInfo | None = None, *, salvage: bool = False
) -> Iterator[ReadArchive]:
    """The archive at `path`, which `model` decodes. Raises ArchiveError or NotInstalled."""
    _check_installed()
    from codec.archive import ArchiveReader

    try:
        with translated():
            reader = ArchiveReader(path, **_expected(model), salvage=salvage)
    except errors.ArchiveError as error:
        if salvage or not _can_be_salvaged(path, model):
            raise
        hint = "residuum archive extract --salvage reads what is left"
        raise errors.ArchiveError(f"{error}; {hint}") from error
    with reader:
        yield ReadArchive(reader)


@contextmanager
def appending(path: Path, model: ModelInfo | None = None) -> Iterator[WrittenArchive]:
    """The archive at `path`, closed properly at the end. Raises ArchiveError or NotInstalled."""
    _check_installed()
    from codec.archive import ArchiveWriter

    with translated():
        # Blocks and the end are flushed to the disk; single records only to the operating system.
        writer = ArchiveWriter(path, **_expected(model), sync=False)
    try:
        yield WrittenArchive(writer)
    finally:
        with translated():
            writer.close()


@contextmanager
def creating(path: Path, model: ModelInfo) -> Iterator[WrittenArchive]:
    """A new archive at `path`, removed at the end if it has no records.

    Raises ArchiveError or NotInstalled.
    """
    _check_installed()
    from codec.archive import create

    with translated():
        create(path, model.model_id, name=model.name, version=model.version)
    count = 0
    try:
        with appending(path, model) as archive:
            try:
                yield archive
            finally:
                count = len(archive)
    finally:
        if not count:
            path.unlink(missing_ok=True)


def _expected(model: ModelInfo | None) -> "_Expected":
    """What the codec needs to know of the model that the records should be of."""
    if model is None:
        return {}
    return {"model_id": model.model_id, "model_name": f"{model.name} {model.version}"}


def _can_be_salvaged(path: Path, model: ModelInfo | None) -> bool:
    from codec.archive import ArchiveReader

    try:
        with translated(), ArchiveReader(path, **_expected(model), salvage=True):
            return True
    except errors.ArchiveError:
        return False


def _check_installed() -> None:
    try:
        import codec.archive  # noqa: F401 - only whether it can be imported
    except ImportError as error:
        raise errors.NotInstalled(f"archives need the codec; {INSTALL} ({error})") from error
