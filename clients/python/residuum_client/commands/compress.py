"""`residuum compress`: image files to records."""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import tyro

from residuum_client.commands.batches import Call, answers
from residuum_client.commands.files import IMAGE_SUFFIXES, find, make_folder, plan, write
from residuum_client.commands.source import Source
from residuum_client.commands.terminal import Row, Terminal

COLUMNS = ("file", "input bytes", "record bytes", "ratio")


@dataclass(frozen=True, slots=True, kw_only=True)
class Compress:
    """Compress images: NAME.png becomes NAME.rsd."""

    images: tyro.conf.Positional[tuple[Path, ...]]
    """Image files, or folders of them at any depth."""
    out: Path
    """Folder for the records."""
    source: tyro.conf.OmitArgPrefixes[Source] = field(default_factory=Source)
    quality: int | None = None
    """Level from 0, the coarsest, up; the model's default if left out."""
    force: tyro.conf.FlagCreatePairsOff[bool] = False
    """Overwrite records that exist."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print JSON lines instead of a table."""

    def run(self, terminal: Terminal) -> None:
        """Does it. Raises UsageError, or ResiduumError where no single file is at fault."""
        with self.source.open() as model:
            make_folder(self.out, "--out")
            inputs = find(self.images, IMAGE_SUFFIXES, terminal.fail)
            outputs = plan(inputs, self.out, ".rsd", force=self.force, fail=terminal.fail)
            call = partial(model.encode, quality=self.quality)
            self._work(outputs, call, terminal)

    def _work(self, outputs: dict[Path, Path], call: Call[bytes], terminal: Terminal) -> None:
        read, written = 0, 0
        with (
            terminal.report(COLUMNS, as_json=self.json) as report,
            terminal.progress("compressing", len(outputs), as_json=self.json) as advance,
        ):
            for content, record in answers(list(outputs), call, terminal.fail):
                output = outputs[content.path]
                if write(output, record, terminal.fail):
                    read, written = read + len(content.data), written + len(record)
                    report.add(*_row(content.path, output, len(content.data), len(record)))
                    report.total = ("total", *_cells(read, written))
                advance()


def _row(path: Path, output: Path, read: int, written: int) -> Row:
    fields = {
        "path": str(path),
        "output": str(output),
        "input_bytes": read,
        "record_bytes": written,
    }
    return (str(path), *_cells(read, written)), fields


def _cells(read: int, written: int) -> tuple[str, str, str]:
    return f"{read}", f"{written}", f"{read / max(1, written):.1f}"
