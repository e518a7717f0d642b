"""`residuum decompress`: records to PNG files."""

from dataclasses import asdict, dataclass, field
from pathlib import Path

import tyro

from residuum_client.commands.flags import OutputFlags, Source
from residuum_client.commands.inputs import RECORD_SUFFIXES, Content, find, read
from residuum_client.commands.outcomes import Call, outcomes
from residuum_client.commands.outputs import check_folder, plan, write
from residuum_client.commands.terminal import Row, Terminal, place
from residuum_client.errors import ResiduumError
from residuum_client.pictures import to_png
from residuum_client.results import Restored

COLUMNS = ("file", "record bytes", "image", "evidence")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decompress:
    """Restore images: NAME.rsd becomes NAME.png.

    Images are listed as HEIGHTxWIDTH, evidence as HEIGHTxWIDTH at TOP,LEFT; there the image equals
    the original exactly.
    """

    records: tyro.conf.Positional[tuple[Path, ...]]
    """Record files, or folders of them at any depth."""
    out: Path
    """Folder for the images."""
    source: tyro.conf.OmitArgPrefixes[Source] = field(default_factory=Source)
    output: tyro.conf.OmitArgPrefixes[OutputFlags] = field(default_factory=OutputFlags)
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print JSON lines instead of a table."""

    def run(self, terminal: Terminal) -> None:
        """Runs the command. Raises UsageError, or ResiduumError if no single file is at fault."""
        self.output.check()
        check_folder(self.out, "--out")
        with self.source.open(terminal) as model:
            inputs = find(self.records, RECORD_SUFFIXES, terminal)
            outputs = plan(inputs, self.out, ".png", self.output, terminal)
            self._work(outputs, model.restore_each, terminal)
        terminal.summarise()

    def _work(self, outputs: dict[Path, Path], call: Call[Restored], terminal: Terminal) -> None:
        with (
            terminal.report(COLUMNS, as_json=self.json) as report,
            terminal.progress("restoring", len(outputs), as_json=self.json) as advance,
        ):
            for content, restored in outcomes(map(read, outputs), call):
                output = outputs[content.path]
                if isinstance(restored, ResiduumError):
                    terminal.fail(content.path, restored.reason)
                elif write(output, to_png(restored.image), terminal):
                    terminal.tally.done += 1
                    report.add(*_row(content, output, restored))
                advance()


def _row(content: Content, output: Path, restored: Restored) -> Row:
    height, width, channels = restored.image.shape
    boxes, size = restored.evidence, len(content.data)
    colour = "gray" if channels == 1 else "RGB"
    fields = {
        "path": str(content.path),
        "output": str(output),
        "record_bytes": size,
        "height": height,
        "width": width,
        "channels": channels,
        "evidence": [asdict(box) for box in boxes],
    }
    places = ", ".join(map(place, boxes))
    return (str(content.path), f"{size}", f"{height}x{width} {colour}", places or "none"), fields
