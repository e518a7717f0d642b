"""`residuum archive create` and `add`: images or records into an archive."""

import itertools
import os
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import tyro

from residuum_client.backend import Backend
from residuum_client.commands.archive_file import WrittenArchive, appending, creating
from residuum_client.commands.files import (
    IMAGE_SUFFIXES,
    RECORD_SUFFIXES,
    Content,
    Fail,
    Input,
    find,
    run_on_files,
)
from residuum_client.commands.flags import EncodeFlags, Source
from residuum_client.commands.terminal import Terminal
from residuum_client.errors import InvalidInput, RecordError

COLUMNS = ("archive", "images added", "input bytes", "archive bytes", "bytes per image")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Addition:
    """What `create` and `add` share."""

    archive: tyro.conf.Positional[Path]
    inputs: tyro.conf.Positional[tuple[Path, ...]]
    """Image files, records (NAME.rsd) of the model, or folders of them at any depth."""
    source: tyro.conf.OmitArgPrefixes[Source] = field(default_factory=Source)
    encode: tyro.conf.OmitArgPrefixes[EncodeFlags] = field(default_factory=EncodeFlags)
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print JSON lines, one per image, instead of a table."""

    def _find(self, terminal: Terminal) -> list[Input]:
        return find(self.inputs, IMAGE_SUFFIXES | RECORD_SUFFIXES, terminal.fail)

    def _fill(
        self,
        archive: WrittenArchive,
        inputs: Sequence[Input],
        model: Backend | None,
        terminal: Terminal,
    ) -> list[int]:
        """Adds the inputs one by one. Returns the sizes in bytes of those that were added."""
        names = dict(_with_free_names(archive, inputs, terminal.fail))
        again = f"continue with: residuum archive add {self.archive}"
        sizes = []
        with (
            terminal.report(COLUMNS, as_json=self.json) as report,
            terminal.progress("archiving", len(names), as_json=self.json) as advance,
        ):
            for content, record in self._records(list(names), model, terminal.fail):
                name = names[content.path]
                try:
                    number = archive.append(record, name)
                except (InvalidInput, RecordError) as error:
                    terminal.fail(content.path, error.reason)
                else:
                    sizes.append(len(content.data))
                    added = f"images added to {self.archive}: {len(sizes)} of {len(names)}"
                    terminal.unfinished = f"; {added}; {again}"
                    if self.json:
                        report.add((), _fields(content, name, number, record))
                advance()
        terminal.unfinished = ""
        return sizes

    def _records(
        self, paths: Sequence[Path], model: Backend | None, fail: Fail
    ) -> Iterator[tuple[Content, bytes]]:
        """The record of each file: what the file holds, or what the model makes of its image."""
        for are_records, run in itertools.groupby(paths, key=_is_record):
            if are_records or model is None:
                yield from run_on_files(list(run), list, fail)
            else:
                call = partial(model.encode, **self.encode.options())
                yield from run_on_files(list(run), call, fail)

    def _summarise(self, sizes: Sequence[int], records: int, terminal: Terminal) -> None:
        """Prints the table, once the archive with its `records` is closed."""
        if self.json or not sizes:
            return
        size = self.archive.stat().st_size
        cells = (str(self.archive), f"{len(sizes)}", f"{sum(sizes)}", f"{size}")
        with terminal.report(COLUMNS, as_json=False) as report:
            report.add((*cells, f"{size / records:.1f}"), {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Create(_Addition):
    """Create an archive of images, or of the records of images."""

    archive: tyro.conf.Positional[Path]
    """File to create, NAME.rsa."""

    def run(self, terminal: Terminal) -> None:
        """Runs the command. Raises UsageError, or ResiduumError if no single file is at fault."""
        self.encode.options()
        with self.source.open(terminal) as model:
            inputs = self._find(terminal)
            with creating(self.archive, model.describe().model) as archive:
                sizes = self._fill(archive, inputs, model, terminal)
                records = len(archive)
        self._summarise(sizes, records, terminal)


@dataclass(frozen=True, slots=True, kw_only=True)
class Add(_Addition):
    """Add images, or the records of images, to an archive. Only images need a model."""

    archive: tyro.conf.Positional[Path]
    """Archive to add to."""

    def run(self, terminal: Terminal) -> None:
        """Runs the command. Raises UsageError, or ResiduumError if no single file is at fault."""
        self.encode.options()
        inputs = self._find(terminal)
        needed = self.source != Source() or not all(_is_record(entry.path) for entry in inputs)
        with self.source.open(terminal) if needed else nullcontext() as model:
            info = None if model is None else model.describe().model
            with appending(self.archive, info) as archive:
                sizes = self._fill(archive, inputs, model, terminal)
                records = len(archive)
        self._summarise(sizes, records, terminal)


def archive_names(inputs: Sequence[Input]) -> list[str]:
    """Paths relative to the arguments; below their common parent if two would be equal."""
    short = [entry.name.as_posix() for entry in inputs]
    if len(set(short)) == len(short):
        return short
    paths = [entry.path.resolve() for entry in inputs]
    common = os.path.commonpath([path.parent for path in paths])
    return [path.relative_to(common).as_posix() for path in paths]


def _is_record(path: Path) -> bool:
    return path.suffix.lower() in RECORD_SUFFIXES


def _with_free_names(
    archive: WrittenArchive, inputs: Sequence[Input], fail: Fail
) -> Iterator[tuple[Path, str]]:
    """The inputs whose names are free; the others fail before any work."""
    for entry, name in zip(inputs, archive_names(inputs), strict=True):
        try:
            archive.check_name(name)
        except InvalidInput as error:
            fail(entry.path, error.reason)
        else:
            yield entry.path, name


def _fields(content: Content, name: str, number: int, record: bytes) -> dict[str, object]:
    return {
        "path": str(content.path),
        "index": number,
        "name": name,
        "input_bytes": len(content.data),
        "record_bytes": len(record),
    }
