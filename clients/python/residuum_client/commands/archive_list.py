"""`residuum archive list` and `verify`: the records of an archive, and whether they are sound."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from residuum_client.backend import Backend
from residuum_client.commands.archive_file import EVIDENCE, ReadArchive, reading
from residuum_client.commands.flags import Source
from residuum_client.commands.inputs import Content
from residuum_client.commands.outcomes import outcomes
from residuum_client.commands.terminal import Row, Terminal
from residuum_client.errors import ResiduumError

if TYPE_CHECKING:
    from residuum_client.commands.archive_file import Entry

LIST_COLUMNS = ("index", "name", "bytes", "quality")
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
        """Runs the command. Raises ResiduumError."""
        with (
            reading(self.archive, salvage=self.salvage) as archive,
            terminal.report(LIST_COLUMNS, as_json=self.json) as report,
        ):
            for number in range(len(archive)):
                report.add(*_listed(archive.entry(number)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Verify:
    """Check every block of an archive; with a model, that every record decodes."""

    archive: tyro.conf.Positional[Path]
    """Archive to read."""
    source: tyro.conf.OmitArgPrefixes[Source] = field(default_factory=Source)
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print a JSON line instead of a table."""

    def run(self, terminal: Terminal) -> None:
        """Runs the command. Raises UsageError, or ResiduumError if no single record is at fault."""
        with self.source.open(terminal) if self.source != Source() else nullcontext() as model:
            info = None if model is None else model.describe().model
            with (
                reading(self.archive, info) as archive,
                terminal.report(VERIFY_COLUMNS, as_json=self.json) as report,
                terminal.progress("verifying", len(archive), as_json=self.json) as advance,
            ):
                damaged = _damaged(archive, self.archive, terminal)
                if model is not None:
                    damaged |= _undecodable(archive, model, damaged, terminal, advance)
                report.add(*_verified(self.archive, archive, len(damaged)))


def _damaged(archive: ReadArchive, path: Path, terminal: Terminal) -> set[int]:
    """The records of damaged blocks; each block is one failure."""
    damaged: set[int] = set()
    for damage in archive.verify():
        if damage is not None:
            last = damage.first + damage.count - 1
            terminal.fail(path, f"records {damage.first}..{last}: {damage.reason}")
            damaged.update(range(damage.first, last + 1))
    return damaged


def _undecodable(
    archive: ReadArchive,
    model: Backend,
    damaged: set[int],
    terminal: Terminal,
    advance: Callable[[], None],
) -> set[int]:
    """The records of whole blocks that the model does not decode."""
    numbers = [number for number in range(len(archive)) if number not in damaged]
    contents = (Content(Path(f"record {number}"), archive.record(number)) for number in numbers)
    wrong = set()
    for number, (content, outcome) in zip(
        numbers, outcomes(contents, model.restore_each), strict=True
    ):
        if isinstance(outcome, ResiduumError):
            terminal.fail(content.path, outcome.reason)
            wrong.add(number)
        advance()
    return wrong


def _listed(entry: "Entry") -> Row:
    quality = None if entry.level == EVIDENCE else entry.level
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
