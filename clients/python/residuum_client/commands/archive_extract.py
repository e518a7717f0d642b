"""`residuum archive extract`: images or records out of an archive."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING

import tyro

from residuum_client.backend import Backend
from residuum_client.commands.archive_file import ReadArchive, reading
from residuum_client.commands.flags import OutputFlags, Source, UsageError
from residuum_client.commands.inputs import Content
from residuum_client.commands.outcomes import outcomes
from residuum_client.commands.outputs import (
    appended,
    check_folder,
    free_name,
    may_write,
    with_suffix,
    write,
)
from residuum_client.commands.terminal import Row, Terminal
from residuum_client.errors import ArchiveError, ResiduumError
from residuum_client.pictures import to_png

if TYPE_CHECKING:
    from residuum_client.commands.archive_file import Entry

COLUMNS = ("index", "name", "file")


@dataclass(frozen=True, slots=True, kw_only=True)
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
    output: tyro.conf.OmitArgPrefixes[OutputFlags] = field(default_factory=OutputFlags)
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print JSON lines instead of a table."""

    def run(self, terminal: Terminal) -> None:
        """Runs the command. Raises UsageError, or ResiduumError if no single record is at fault."""
        if self.index and self.name:
            raise UsageError("--index and --name are given, expected one of them")
        self.output.check()
        check_folder(self.out, "--out")
        with nullcontext() if self.records else self.source.open(terminal) as model:
            info = None if model is None else model.describe().model
            with reading(self.archive, info, salvage=self.salvage) as archive:
                self._extract(archive, model, terminal)
        terminal.summarise()

    def _extract(self, archive: ReadArchive, model: Backend | None, terminal: Terminal) -> None:
        terminal.tally.resumable = True
        entries = self._entries(archive, self._numbers(archive, terminal), terminal)
        records = (_read(archive, entry, path) for path, entry in entries.items())
        with (
            terminal.report(COLUMNS, as_json=self.json) as report,
            terminal.progress("extracting", len(entries), as_json=self.json) as advance,
        ):
            for record, data in _outputs(records, model):
                if isinstance(data, ResiduumError):
                    terminal.fail(PurePath(f"record {record.entry.number}"), data.reason)
                elif write(record.path, data, terminal):
                    terminal.tally.done += 1
                    report.add(*_row(record.entry, record.path))
                advance()

    def _numbers(self, archive: ReadArchive, terminal: Terminal) -> Sequence[int]:
        """The numbers of the records to extract, each once."""
        if not self.index and not self.name:
            return range(len(archive))
        numbers: dict[int, None] = {}
        for index in self.index:
            if 0 <= index < len(archive):
                numbers[index] = None
            else:
                records = f"its records are 0..{len(archive) - 1}"
                terminal.fail(self.archive, f"has no record {index}, {records}")
        for name in self.name:
            number = archive.find(name) if name else None
            if number is None:
                terminal.fail(self.archive, f"has no record named {name}")
            else:
                numbers[number] = None
        return list(numbers)

    def _entries(
        self, archive: ReadArchive, numbers: Sequence[int], terminal: Terminal
    ) -> "dict[Path, Entry]":
        """The records to write, by the paths of their files."""
        entries: dict[Path, Entry] = {}
        taken: set[str] = set()
        for number in numbers:
            try:
                entry = archive.entry(number)
            except ArchiveError as error:
                terminal.fail(PurePath(f"record {number}"), str(error))
                continue
            name = _output_name(entry, ".rsd" if self.records else ".png", taken)
            if name is None:
                reason = f"record {number} has a name outside the folder: {entry.name}"
                terminal.fail(self.archive, reason)
            elif may_write(self.out / name, self.output, terminal):
                entries[self.out / name] = entry
        return entries


def _read(archive: ReadArchive, entry: "Entry", path: Path) -> _Record:
    try:
        return _Record(path, archive.record(entry.number), entry=entry)
    except ArchiveError as error:
        return _Record(path, b"", error, entry=entry)


def _outputs(
    records: Iterator[_Record], model: Backend | None
) -> Iterator[tuple[_Record, bytes | ResiduumError]]:
    """What to write for each record: its image as PNG, or without a model the record."""
    if model is None:
        yield from outcomes(records, iter)
    else:
        for record, restored in outcomes(records, model.restore_each):
            if isinstance(restored, ResiduumError):
                yield record, restored
            else:
                yield record, to_png(restored.image)


def _output_name(entry: "Entry", suffix: str, taken: set[str]) -> PurePath | None:
    """The relative path of a record's file; None if its name would lead out of the folder."""
    path = PurePosixPath(entry.name or f"{entry.number:06}")
    if not path.name or path.is_absolute() or ".." in path.parts:
        return None
    longer = appended(path, suffix)
    return free_name([with_suffix(path, suffix), longer, appended(longer, suffix)], taken)


def _row(entry: "Entry", output: Path) -> Row:
    fields: dict[str, object] = {"index": entry.number, "name": entry.name, "output": str(output)}
    return (f"{entry.number}", entry.name or "", str(output)), fields
