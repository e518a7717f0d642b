"""`residuum decompress`: records to PNG files."""

from dataclasses import asdict, dataclass, field
from pathlib import Path

import tyro

from residuum_client.commands.files import (
    RECORD_SUFFIXES,
    Content,
    check_folder,
    find,
    plan,
    run_on_files,
    write,
)
from residuum_client.commands.flags import Source
from residuum_client.commands.terminal import Row, Terminal
from residuum_client.pictures import to_png
from residuum_client.results import Restored

COLUMNS = ("file", "record bytes", "image", "evidence")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decompress:
    """Restore images: NAME.rsd becomes NAME.png.

    Evidence is listed as HEIGHTxWIDTH at TOP,LEFT; there the image equals the original exactly.
    """

    records: tyro.conf.Positional[tuple[Path, ...]]
    """Record files, or folders of them at any depth."""
    out: Path
    """Folder for the images."""
    source: tyro.conf.OmitArgPrefixes[Source] = field(default_factory=Source)
    force: tyro.conf.FlagCreatePairsOff[bool] = False
    """Overwrite images that exist."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print JSON lines instead of a table."""

    def run(self, terminal: Terminal) -> None:
        """Runs the command. Raises UsageError, or ResiduumError if no single file is at fault."""
        check_folder(self.out, "--out")
        with self.source.open(terminal) as model:
            inputs = find(self.records, RECORD_SUFFIXES, terminal.fail)
            outputs = plan(inputs, self.out, ".png", force=self.force, fail=terminal.fail)
            with (
                terminal.report(COLUMNS, as_json=self.json) as report,
                terminal.progress("restoring", len(outputs), as_json=self.json) as advance,
            ):
                for content, restored in run_on_files(list(outputs), model.restore, terminal.fail):
                    output = outputs[content.path]
                    if write(output, to_png(restored.image), terminal.fail):
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
    places = ", ".join(f"{box.height}x{box.width} at {box.top},{box.left}" for box in boxes)
    return (str(content.path), f"{size}", f"{height}x{width} {colour}", places or "none"), fields
