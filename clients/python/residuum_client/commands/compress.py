"""`residuum compress`: image files to records."""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import tyro

from residuum_client.commands.flags import EncodeFlags, OutputFlags, Source
from residuum_client.commands.inputs import IMAGE_SUFFIXES, Content, find, read
from residuum_client.commands.outcomes import Call, outcomes
from residuum_client.commands.outputs import check_folder, plan, write
from residuum_client.commands.terminal import Row, Terminal
from residuum_client.errors import ResiduumError
from residuum_client.results import Compressed

COLUMNS = ("file", "input bytes", "record bytes", "evidence bytes", "ratio to file", "quality")


@dataclass(frozen=True, slots=True, kw_only=True)
class Compress:
    """Compress images: NAME.png becomes NAME.rsd."""

    images: tyro.conf.Positional[tuple[Path, ...]]
    """Image files, or folders of them at any depth."""
    out: Path
    """Folder for the records."""
    source: tyro.conf.OmitArgPrefixes[Source] = field(default_factory=Source)
    encode: tyro.conf.OmitArgPrefixes[EncodeFlags] = field(default_factory=EncodeFlags)
    output: tyro.conf.OmitArgPrefixes[OutputFlags] = field(default_factory=OutputFlags)
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print JSON lines instead of a table."""

    def run(self, terminal: Terminal) -> None:
        """Runs the command. Raises UsageError, or ResiduumError if no single file is at fault."""
        options = self.encode.options()
        self.output.check()
        check_folder(self.out, "--out")
        with self.source.open(terminal) as model:
            inputs = find(self.images, IMAGE_SUFFIXES, terminal)
            outputs = plan(inputs, self.out, ".rsd", self.output, terminal)
            self._work(outputs, partial(model.compress_each, **options), terminal)
        terminal.summarise()

    def _work(self, outputs: dict[Path, Path], call: Call[Compressed], terminal: Terminal) -> None:
        taken, written, evidence = 0, 0, 0
        with (
            terminal.report(COLUMNS, as_json=self.json) as report,
            terminal.progress("compressing", len(outputs), as_json=self.json) as advance,
        ):
            for content, result in outcomes(map(read, outputs), call):
                output = outputs[content.path]
                if isinstance(result, ResiduumError):
                    terminal.fail(content.path, result.reason)
                elif write(output, result.record, terminal):
                    terminal.tally.done += 1
                    taken, written = taken + len(content.data), written + len(result.record)
                    evidence += result.evidence_bytes
                    report.add(*_row(content, output, result))
                    report.total = ("total", *_cells(taken, written, evidence), "")
                advance()


def _row(content: Content, output: Path, result: Compressed) -> Row:
    read, written = len(content.data), len(result.record)
    fields = {
        "path": str(content.path),
        "output": str(output),
        "input_bytes": read,
        "record_bytes": written,
        "evidence_bytes": result.evidence_bytes,
        "quality": result.quality,
    }
    cells = _cells(read, written, result.evidence_bytes)
    return (str(content.path), *cells, f"{result.quality}"), fields


def _cells(read: int, written: int, evidence: int) -> tuple[str, str, str, str]:
    return f"{read}", f"{written}", f"{evidence}", f"{read / max(1, written):.1f}"
