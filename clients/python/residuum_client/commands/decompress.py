"""`residuum decompress`: records to PNG files."""

from dataclasses import dataclass, field
from pathlib import Path

import tyro

from residuum_client.commands.batches import answers
from residuum_client.commands.files import RECORD_SUFFIXES, find, make_folder, plan, write
from residuum_client.commands.source import Source
from residuum_client.commands.terminal import Row, Terminal
from residuum_client.pictures import to_png

COLUMNS = ("file", "record bytes", "image")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decompress:
    """Restore images: NAME.rsd becomes NAME.png."""

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
        """Does it. Raises UsageError, or ResiduumError where no single file is at fault."""
        with self.source.open() as model:
            make_folder(self.out, "--out")
            inputs = find(self.records, RECORD_SUFFIXES, terminal.fail)
            outputs = plan(inputs, self.out, ".png", force=self.force, fail=terminal.fail)
            with (
                terminal.report(COLUMNS, as_json=self.json) as report,
                terminal.progress("restoring", len(outputs), as_json=self.json) as advance,
            ):
                for content, image in answers(list(outputs), model.decode, terminal.fail):
                    output = outputs[content.path]
                    if write(output, to_png(image), terminal.fail):
                        row = _row(content.path, output, len(content.data), image.shape)
                        report.add(*row)
                    advance()


def _row(path: Path, output: Path, size: int, shape: tuple[int, ...]) -> Row:
    height, width, channels = shape
    colour = "gray" if channels == 1 else "RGB"
    fields = {
        "path": str(path),
        "output": str(output),
        "record_bytes": size,
        "height": height,
        "width": width,
        "channels": channels,
    }
    return (str(path), f"{size}", f"{height}x{width} {colour}"), fields
