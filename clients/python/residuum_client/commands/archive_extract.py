"""`residuum archive extract`: images or records out of an archive."""

import os
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING

import tyro

from residuum_client.backend import Backend
from residuum_client.commands.archive_file import ReadArchive, reading
from residuum_client.commands.files import (
    IMAGE_SUFFIXES,
    RECORD_SUFFIXES,
    Content,
    Fail,
    batches,
    check_folder,
    run_on_batch,
    write,
)
from residuum_client.commands.flags import Source, UsageError
from residuum_client.commands.terminal import Row, Terminal
from residuum_client.errors import ArchiveError
from residuum_client.pictures import to_png

if TYPE_CHECKING:
    from residuum_client.commands.archive_file import Entry

COLUMNS = ("index", "name", "file")


@dataclass(frozen=True, slots=True)
class _Record(Content):
    """A record of the archive, with the path of its output."""

    entry: "Entry"


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
        """Runs the command. Raises UsageError, or ResiduumError if no single record is at fault."""
        if self.index and self.name:
            raise UsageError("--index and --name are given, expected one of them")
        check_folder(self.out, "--out")
        with nullcontext() if self.records else self.source.open(terminal) as model:
            info = None if model is None else model.describe().model
            with reading(self.archive, info, salvage=self.salvage) as archive:
                self._extract(archive, model, terminal)

    def _extract(self, archive: ReadArchive, model: Backend | None, terminal: Terminal) -> None:
        numbers = self._numbers(archive, terminal.fail)
        with (
            terminal.report(COLUMNS, as_json=self.json) as report,
            terminal.progress("extracting", len(numbers), as_json=self.json) as advance,
        ):
            for batch in batches(self._records(archive, numbers, terminal.fail)):
                for record, data in _outputs(batch.items, model, terminal.fail):
                    if write(record.path, data, terminal.fail):
                        report.add(*_row(record.entry, record.path))
                    advance()

    def _numbers(self, archive: ReadArchive, fail: Fail) -> Sequence[int]:
        """The numbers of the records to extract, each once."""
        if not self.index and not self.name:
            return range(len(archive))
        numbers: dict[int, None] = {}
        for index in self.index:
            if 0 <= index < len(archive):
                numbers[index] = None
            else:
                fail(self.archive, f"has no record {index}, its records are 0..{len(archive) - 1}")
        for name in self.name:
            number = archive.find(name) if name else None
            if number is None:
                fail(self.archive, f"has no record named {name}")
            else:
                numbers[number] = None
        return list(numbers)

    def _records(
        self, archive: ReadArchive, numbers: Sequence[int], fail: Fail
    ) -> Iterator[_Record]:
        """The records whose outputs may be written."""
        taken: set[PurePath] = set()
        for number in numbers:
            try:
                entry, data = archive.entry(number), archive.record(number)
            except ArchiveError as error:
                fail(PurePath(f"record {number}"), str(error))
                continue
            name = _output_name(entry, ".rsd" if self.records else ".png", taken)
            if name is None:
                fail(self.archive, f"record {number} has a name outside the folder: {entry.name}")
            elif os.path.lexists(self.out / name) and not self.force:
                fail(self.out / name, "exists already; --force overwrites it")
            else:
                yield _Record(self.out / name, data, entry)


def _outputs(
    records: list[_Record], model: Backend | None, fail: Fail
) -> Iterator[tuple[_Record, bytes]]:
    """The bytes to write for each record: its image as PNG, or without a model the record."""
    if model is None:
        yield from ((record, record.data) for record in records)
    else:
        for record, image in run_on_batch(records, model.decode, fail):
            yield record, to_png(image)


def _output_name(entry: "Entry", suffix: str, taken: set[PurePath]) -> PurePath | None:
    """The relative path of a record's file; None if its name would lead out of the folder."""
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


def _row(entry: "Entry", output: Path) -> Row:
    fields: dict[str, object] = {"index": entry.number, "name": entry.name, "output": str(output)}
    return (f"{entry.number}", entry.name or "", str(output)), fields
