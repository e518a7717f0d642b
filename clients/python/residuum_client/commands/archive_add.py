"""`residuum archive create` and `add`: images or records into an archive."""

import itertools
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import tyro

from residuum_client.backend import Backend
from residuum_client.commands.archive_file import WrittenArchive, appending, creating
from residuum_client.commands.flags import EncodeFlags, Source
from residuum_client.commands.inputs import (
    IMAGE_SUFFIXES,
    RECORD_SUFFIXES,
    Content,
    Input,
    find,
    is_record,
    read,
)
from residuum_client.commands.outcomes import outcomes
from residuum_client.commands.outputs import relative_names
from residuum_client.commands.terminal import Terminal
from residuum_client.errors import ArchiveError, InvalidInput, RecordError, ResiduumError
from residuum_client.results import ModelInfo

COLUMNS = ("archive", "images added", "input bytes", "archive bytes", "bytes per image")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Addition:
    """What `create` and `add` share."""

    archive: tyro.conf.Positional[Path]
    inputs: tyro.conf.Positional[tuple[Path, ...]]
    """Image files, records (NAME.rsd) of the model, or folders of them at any depth."""
    source: tyro.conf.OmitArgPrefixes[Source] = field(default_factory=Source)
    encode: tyro.conf.OmitArgPrefixes[EncodeFlags] = field(default_factory=EncodeFlags)
    resume: tyro.conf.FlagCreatePairsOff[bool] = False
    """Skip what was done before: the files whose names the archive has already."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print JSON lines, one per image, instead of a table."""

    def _find(self, terminal: Terminal) -> list[Input]:
        return find(self.inputs, IMAGE_SUFFIXES | RECORD_SUFFIXES, terminal)

    def _fill(
        self,
        archive: WrittenArchive,
        inputs: Sequence[Input],
        model: Backend | None,
        terminal: Terminal,
    ) -> list[int]:
        """Adds the inputs one by one. Returns the sizes in bytes of those that were added."""
        terminal.tally.resumable = True
        free = self._with_free_names(archive, inputs, terminal)
        sizes = []
        with (
            terminal.report(COLUMNS, as_json=self.json) as report,
            terminal.progress("archiving", len(free), as_json=self.json) as advance,
        ):
            for content, record in self._records(list(free), model):
                name = free[content.path]
                if isinstance(record, ResiduumError):
                    terminal.fail(content.path, record.reason)
                elif (number := _append(archive, record, name, content, terminal)) is not None:
                    terminal.tally.done += 1
                    sizes.append(len(content.data))
                    if self.json:
                        report.add((), _fields(content, name, number, record))
                advance()
        return sizes

    def _records(
        self, paths: Sequence[Path], model: Backend | None
    ) -> Iterator[tuple[Content, bytes | ResiduumError]]:
        """The record of each file: what the file holds, or what the model makes of its image."""
        for are_records, run in itertools.groupby(paths, key=is_record):
            if are_records or model is None:
                yield from outcomes(map(read, run), iter)
            else:
                call = partial(model.compress_each, **self.encode.options())
                for content, outcome in outcomes(map(read, run), call):
                    if isinstance(outcome, ResiduumError):
                        yield content, outcome
                    else:
                        yield content, outcome.record

    def _with_free_names(
        self, archive: WrittenArchive, inputs: Sequence[Input], terminal: Terminal
    ) -> dict[Path, str]:
        """The inputs whose names are free; the others are skipped, or fail before any work."""
        free = {}
        for entry, name in zip(inputs, archive_names(inputs), strict=True):
            try:
                if not archive.has(name):
                    free[entry.path] = name
                elif self.resume:
                    terminal.tally.existing += 1
                else:
                    reason = f"the archive already has a record named {name}; --resume skips it"
                    terminal.fail(entry.path, reason)
            except InvalidInput as error:
                terminal.fail(entry.path, error.reason)
        return free

    def _summarise(self, sizes: Sequence[int], records: int, terminal: Terminal) -> None:
        """Prints the table and the summary, once the archive with its `records` is closed."""
        if sizes and not self.json:
            size = self.archive.stat().st_size
            cells = (str(self.archive), f"{len(sizes)}", f"{sum(sizes)}", f"{size}")
            with terminal.report(COLUMNS, as_json=False) as report:
                report.add((*cells, f"{size / records:.1f}"), {})
        terminal.summarise()


@dataclass(frozen=True, slots=True, kw_only=True)
class Create(_Addition):
    """Create an archive of images, or of the records of images."""

    archive: tyro.conf.Positional[Path]
    """File to create, NAME.rsa. With --resume, it may exist and is continued."""

    def run(self, terminal: Terminal) -> None:
        """Runs the command. Raises UsageError, or ResiduumError if no single file is at fault."""
        self.encode.options()
        with self.source.open(terminal) as model:
            inputs = self._find(terminal)
            with self._open(model.describe().model) as archive:
                sizes = self._fill(archive, inputs, model, terminal)
                records = len(archive)
        self._summarise(sizes, records, terminal)

    def _open(self, model: ModelInfo) -> AbstractContextManager[WrittenArchive]:
        exists = os.path.lexists(self.archive)
        if exists and not self.resume:
            raise ArchiveError(f"archive {self.archive}: exists already; --resume continues it")
        return appending(self.archive, model) if exists else creating(self.archive, model)


@dataclass(frozen=True, slots=True, kw_only=True)
class Add(_Addition):
    """Add images, or the records of images, to an archive. Only images need a model."""

    archive: tyro.conf.Positional[Path]
    """Archive to add to."""

    def run(self, terminal: Terminal) -> None:
        """Runs the command. Raises UsageError, or ResiduumError if no single file is at fault."""
        self.encode.options()
        inputs = self._find(terminal)
        needed = self.source != Source() or not all(is_record(entry.path) for entry in inputs)
        with self.source.open(terminal) if needed else nullcontext() as model:
            info = None if model is None else model.describe().model
            with appending(self.archive, info) as archive:
                sizes = self._fill(archive, inputs, model, terminal)
                records = len(archive)
        self._summarise(sizes, records, terminal)


def archive_names(inputs: Sequence[Input]) -> list[str]:
    """The relative names as an archive keeps them; bytes that are not UTF-8 become \\xNN."""
    names = [name.as_posix() for name in relative_names(inputs)]
    return [os.fsencode(name).decode("utf-8", "backslashreplace") for name in names]


def _append(
    archive: WrittenArchive, record: bytes, name: str, content: Content, terminal: Terminal
) -> int | None:
    """The number of the record in the archive; None if the archive refuses it."""
    try:
        return archive.append(record, name)
    except (InvalidInput, RecordError) as error:
        terminal.fail(content.path, error.reason)
        return None


def _fields(content: Content, name: str, number: int, record: bytes) -> dict[str, object]:
    return {
        "path": str(content.path),
        "index": number,
        "name": name,
        "input_bytes": len(content.data),
        "record_bytes": len(record),
    }
