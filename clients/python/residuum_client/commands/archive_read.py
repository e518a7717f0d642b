"""`residuum archive list`, `extract` and `verify`: what is in an archive."""

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING, TypeVar

import tyro

from residuum_client.backend import Backend
from residuum_client.commands.archive_file import EVIDENCE, ReadArchive, reading
from residuum_client.commands.batches import FILES_PER_BATCH, Content, answered
from residuum_client.commands.files import (
    IMAGE_SUFFIXES,
    RECORD_SUFFIXES,
    Fail,
    make_folder,
    write,
)
from residuum_client.commands.source import Source, UsageError
from residuum_client.commands.terminal import Row, Terminal
from residuum_client.errors import ArchiveError
from residuum_client.pictures import to_png

if TYPE_CHECKING:
    from residuum_client.commands.archive_file import Entry

T = TypeVar("T")
LIST_COLUMNS = ("index", "name", "bytes", "quality")
EXTRACT_COLUMNS = ("index", "name", "file")
VERIFY_COLUMNS = ("archive", "model", "records", "blocks", "bytes", "damaged records")


@dataclass(frozen=True, slots=True, kw_only=True)
class List:
    """List the records of an archive: index, name, stored bytes and quality level."""

    archive: tyro.conf.Positional[Path]
    """Archive to read."""
    salvage: tyro.conf.FlagCreatePairsOff[bool] = False
    """Read what is left of an archive that was cut short or lost its journal."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print JSON lines instead of a table."""

    def run(self, terminal: Terminal) -> None:
        """Does it. Raises ResiduumError."""
        with (
            reading(self.archive, salvage=self.salvage) as archive,
            terminal.report(LIST_COLUMNS, as_json=self.json) as report,
        ):
            for number in range(len(archive)):
                report.add(*_listed(archive.entry(number)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Extract:
    """Restore images of an archive as NAME.png; or its records as NAME.rsd, without a model."""

    archive: tyro.conf.Positional[Path]
    """Archive to read."""
    out: Path
    """Folder for the files."""
    index: tuple[int, ...] = ()
    """Indices of the records to extract; all if left out."""
    name: tuple[str, ...] = ()
    """Names of the records to extract."""
    records: tyro.conf.FlagCreatePairsOff[bool] = False
    """Write records, not images."""
    source: tyro.conf.OmitArgPrefixes[Source] = field(default_factory=Source)
    salvage: tyro.conf.FlagCreatePairsOff[bool] = False
    """Read what is left of an archive that was cut short or lost its journal."""
    force: tyro.conf.FlagCreatePairsOff[bool] = False
    """Overwrite files that exist."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print JSON lines instead of a table."""

    def run(self, terminal: Terminal) -> None:
        """Does it. Raises UsageError, or ResiduumError where no single record is at fault."""
        if self.index and self.name:
            raise UsageError("--index and --name choose records twice; leave out one of them")
        with nullcontext() if self.records else self.source.open(terminal) as model:
            model_id = None if model is None else model.describe().model.model_id
            with reading(self.archive, model_id=model_id, salvage=self.salvage) as archive:
                make_folder(self.out, "--out")
                self._work(archive, model, terminal)

    def _work(self, archive: ReadArchive, model: Backend | None, terminal: Terminal) -> None:
        numbers = self._numbers(archive, terminal.fail)
        with (
            terminal.report(EXTRACT_COLUMNS, as_json=self.json) as report,
            terminal.progress("extracting", len(numbers), as_json=self.json) as advance,
        ):
            for batch in _batches(self._contents(archive, numbers, terminal.fail)):
                entries = {content.path: entry for entry, content in batch}
                for content, data in _restored(
                    [content for _, content in batch], model, terminal.fail
                ):
                    if write(content.path, data, terminal.fail):
                        report.add(*_extracted(entries[content.path], content.path))
                    advance()

    def _numbers(self, archive: ReadArchive, fail: Fail) -> "range | list[int]":
        """The numbers of the records that were asked for, each once."""
        if not self.index and not self.name:
            return range(len(archive))
        found: dict[int, None] = {}
        for number in self.index:
            if 0 <= number < len(archive):
                found[number] = None
            else:
                fail(self.archive, f"has no record {number}, its records are 0..{len(archive) - 1}")
        for name in self.name:
            place = archive.find(name) if name else None
            if place is None:
                fail(self.archive, f"has no record of the name {name}")
            else:
                found[place] = None
        return list(found)

    def _contents(
        self, archive: ReadArchive, numbers: "range | list[int]", fail: Fail
    ) -> "Iterator[tuple[Entry, Content]]":
        """The records whose outputs may be written, with the paths of these."""
        taken: set[PurePath] = set()
        for number in numbers:
            try:
                entry, data = archive.entry(number), archive.record(number)
            except ArchiveError as error:
                fail(PurePath(f"record {number}"), str(error))
                continue
            name = _output(entry, ".rsd" if self.records else ".png", taken)
            if name is None:
                fail(self.archive, f"the name of record {number} is no path below: {entry.name}")
            elif os.path.lexists(self.out / name) and not self.force:
                fail(self.out / name, "exists already; --force overwrites it")
            else:
                yield entry, Content(self.out / name, data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verify:
    """Check every block of an archive; with a model, that every record decodes."""

    archive: tyro.conf.Positional[Path]
    """Archive to read."""
    source: tyro.conf.OmitArgPrefixes[Source] = field(default_factory=Source)
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print a JSON line instead of a table."""

    def run(self, terminal: Terminal) -> None:
        """Does it. Raises UsageError, or ResiduumError where no single record is at fault."""
        with self.source.open(terminal) if self.source != Source() else nullcontext() as model:
            model_id = None if model is None else model.describe().model.model_id
            with (
                reading(self.archive, model_id=model_id) as archive,
                terminal.report(VERIFY_COLUMNS, as_json=self.json) as report,
                terminal.progress("verifying", len(archive), as_json=self.json) as advance,
            ):
                damaged = _damaged(archive, self.archive, terminal.fail)
                if model is not None:
                    damaged |= _undecodable(archive, model, damaged, terminal.fail, advance)
                report.add(*_verified(self.archive, archive, len(damaged)))


def _damaged(archive: ReadArchive, path: Path, fail: Fail) -> set[int]:
    """The records of damaged blocks, each block told in one line."""
    damaged: set[int] = set()
    for damage in archive.verify():
        if damage is not None:
            last = damage.first + damage.count - 1
            fail(path, f"records {damage.first}..{last}: {damage.reason}")
            damaged.update(range(damage.first, last + 1))
    return damaged


def _undecodable(
    archive: ReadArchive,
    model: Backend,
    damaged: set[int],
    fail: Fail,
    advance: Callable[[], None],
) -> set[int]:
    """The records of whole blocks that the model does not decode."""
    numbers = [number for number in range(len(archive)) if number not in damaged]
    contents = ((n, Content(Path(f"record {n}"), archive.record(n))) for n in numbers)
    left = set(numbers)
    for batch in _batches(contents):
        places = {content.path: number for number, content in batch}
        for content, _ in answered([content for _, content in batch], model.decode, fail):
            left.discard(places[content.path])
            advance()
    return left


def _batches(items: Iterator[T]) -> Iterator[list[T]]:
    while batch := list(itertools.islice(items, FILES_PER_BATCH)):
        yield batch


def _restored(
    contents: list[Content], model: Backend | None, fail: Fail
) -> Iterator[tuple[Content, bytes]]:
    """What is to be written for each record: an image, or the record where there is no model."""
    if model is None:
        yield from ((content, content.data) for content in contents)
    else:
        for content, image in answered(contents, model.decode, fail):
            yield content, to_png(image)


def _output(entry: "Entry", suffix: str, taken: set[PurePath]) -> PurePath | None:
    """The path of a record's file below the folder; None if its name would lead out of it."""
    path = PurePosixPath(entry.name or f"{entry.number:06}")
    if not path.name or path.is_absolute() or ".." in path.parts:
        return None
    longer = path.with_name(path.name + suffix)
    known = path.suffix.lower() in IMAGE_SUFFIXES | RECORD_SUFFIXES
    output = path.with_suffix(suffix) if known else longer
    while output in taken:
        output, longer = longer, longer.with_name(longer.name + suffix)
    taken.add(output)
    return output


def _quality(entry: "Entry") -> int | None:
    return None if entry.level == EVIDENCE else entry.level


def _listed(entry: "Entry") -> Row:
    quality = _quality(entry)
    cells = (
        f"{entry.number}",
        entry.name or "",
        f"{entry.size}",
        "evidence" if quality is None else f"{quality}",
    )
    fields: dict[str, object] = {
        "index": entry.number,
        "name": entry.name,
        "bytes": entry.size,
        "quality": quality,
        "evidence": quality is None,
    }
    return cells, fields


def _extracted(entry: "Entry", output: Path) -> Row:
    fields: dict[str, object] = {"index": entry.number, "name": entry.name, "output": str(output)}
    return (f"{entry.number}", entry.name or "", str(output)), fields


def _verified(path: Path, archive: ReadArchive, damaged: int) -> Row:
    size = path.stat().st_size
    counts = (len(archive), archive.blocks, size, damaged)
    fields: dict[str, object] = {
        "archive": str(path),
        "model": archive.name,
        "version": archive.version,
        "model_id": archive.model_id.hex(),
        "records": len(archive),
        "blocks": archive.blocks,
        "bytes": size,
        "damaged_records": damaged,
    }
    return (str(path), f"{archive.name} {archive.version}", *map(str, counts)), fields
