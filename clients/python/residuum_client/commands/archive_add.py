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
from residuum_client.commands.batches import Content, answers
from residuum_client.commands.files import IMAGE_SUFFIXES, RECORD_SUFFIXES, Fail, Input, find
from residuum_client.commands.source import Source
from residuum_client.commands.terminal import Terminal
from residuum_client.commands.wishes import Wishes
from residuum_client.errors import InvalidInput, RecordError
from residuum_client.options import EncodeOptions

COLUMNS = ("archive", "images", "input bytes", "archive bytes", "bytes per image")


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """Make an archive of images, or of the records of images."""

    archive: tyro.conf.Positional[Path]
    """File to make, NAME.rsa."""
    inputs: tyro.conf.Positional[tuple[Path, ...]]
    """Image files, records (NAME.rsd) of the model, or folders of them at any depth."""
    source: tyro.conf.OmitArgPrefixes[Source] = field(default_factory=Source)
    wishes: tyro.conf.OmitArgPrefixes[Wishes] = field(default_factory=Wishes)
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print JSON lines, one per image, instead of a table."""

    def run(self, terminal: Terminal) -> None:
        """Does it. Raises UsageError, or ResiduumError where no single file is at fault."""
        options = self.wishes.keywords()
        with self.source.open(terminal) as model:
            inputs = _inputs(self.inputs, terminal.fail)
            work = _Work(self.archive, model, options, self.json)
            with creating(self.archive, model.describe().model) as archive:
                work.do(archive, inputs, terminal)
        work.tell(terminal)


@dataclass(frozen=True, slots=True, kw_only=True)
class Add:
    """Add images, or the records of images, to an archive. Only images need a model."""

    archive: tyro.conf.Positional[Path]
    """Archive to add to."""
    inputs: tyro.conf.Positional[tuple[Path, ...]]
    """Image files, records (NAME.rsd) of the model, or folders of them at any depth."""
    source: tyro.conf.OmitArgPrefixes[Source] = field(default_factory=Source)
    wishes: tyro.conf.OmitArgPrefixes[Wishes] = field(default_factory=Wishes)
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print JSON lines, one per image, instead of a table."""

    def run(self, terminal: Terminal) -> None:
        """Does it. Raises UsageError, or ResiduumError where no single file is at fault."""
        options = self.wishes.keywords()
        inputs = _inputs(self.inputs, terminal.fail)
        needed = self.source != Source() or not all(map(_is_record, inputs))
        with self.source.open(terminal) if needed else nullcontext() as model:
            model_id = None if model is None else model.describe().model.model_id
            work = _Work(self.archive, model, options, self.json)
            with appending(self.archive, model_id=model_id) as archive:
                work.do(archive, inputs, terminal)
        work.tell(terminal)


class _Work:
    """Files into an archive one by one, and what is to be told of it at the end."""

    def __init__(
        self, path: Path, model: Backend | None, options: EncodeOptions, as_json: bool
    ) -> None:
        self._path, self._model, self._options, self._json = path, model, options, as_json
        self._count, self._read = 0, 0

    def do(self, archive: WrittenArchive, inputs: Sequence[Input], terminal: Terminal) -> None:
        names = dict(_named(archive, inputs, terminal.fail))
        with (
            terminal.report(COLUMNS, as_json=self._json) as report,
            terminal.progress("archiving", len(names), as_json=self._json) as advance,
        ):
            for content, record in self._records(list(names), terminal.fail):
                name = names[content.path]
                try:
                    number = archive.append(record, name)
                except (InvalidInput, RecordError) as error:
                    terminal.fail(content.path, error.reason)
                    continue
                self._count, self._read = self._count + 1, self._read + len(content.data)
                if self._json:
                    report.add((), _fields(content, name, number, record))
                advance()

    def tell(self, terminal: Terminal) -> None:
        """The row for people."""
        if self._json or not self._count:
            return
        size = self._path.stat().st_size
        cells = (str(self._path), f"{self._count}", f"{self._read}", f"{size}")
        with terminal.report(COLUMNS, as_json=False) as report:
            report.add((*cells, f"{self._read / self._count:.2f}"), {})

    def _records(self, paths: Sequence[Path], fail: Fail) -> Iterator[tuple[Content, bytes]]:
        for are_records, run in itertools.groupby(paths, key=_is_record_path):
            if are_records or self._model is None:
                yield from answers(list(run), list, fail)
            else:
                call = partial(self._model.encode, **self._options)
                yield from answers(list(run), call, fail)


def _inputs(arguments: Sequence[Path], fail: Fail) -> list[Input]:
    return find(arguments, IMAGE_SUFFIXES | RECORD_SUFFIXES, fail)


def _is_record(entry: Input) -> bool:
    return _is_record_path(entry.path)


def _is_record_path(path: Path) -> bool:
    return path.suffix.lower() in RECORD_SUFFIXES


def _named(
    archive: WrittenArchive, inputs: Sequence[Input], fail: Fail
) -> Iterator[tuple[Path, str]]:
    """The inputs whose names are free; the others fail before any work is done for them."""
    for entry, name in zip(inputs, archive_names(inputs), strict=True):
        try:
            archive.check_name(name)
        except InvalidInput as error:
            fail(entry.path, error.reason)
        else:
            yield entry.path, name


def archive_names(inputs: Sequence[Input]) -> list[str]:
    """Paths relative to the arguments, or below their common folder if two were the same."""
    short = [entry.name.as_posix() for entry in inputs]
    if len(set(short)) == len(short):
        return short
    paths = [entry.path.resolve() for entry in inputs]
    common = os.path.commonpath([path.parent for path in paths])
    return [path.relative_to(common).as_posix() for path in paths]


def _fields(content: Content, name: str, number: int, record: bytes) -> dict[str, object]:
    return {
        "path": str(content.path),
        "index": number,
        "name": name,
        "input_bytes": len(content.data),
        "record_bytes": len(record),
    }
