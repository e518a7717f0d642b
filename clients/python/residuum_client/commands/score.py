"""`residuum score`: anomaly scores of images, and heat maps."""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import tyro

from residuum_client.backend import check_value
from residuum_client.commands.files import (
    IMAGE_SUFFIXES,
    Content,
    check_folder,
    find,
    plan,
    run_on_files,
    write,
)
from residuum_client.commands.flags import Source, flag, usage_errors
from residuum_client.commands.terminal import Row, Terminal
from residuum_client.errors import InvalidInput
from residuum_client.heatmap import draw_heatmap
from residuum_client.pictures import read_rgb, to_png
from residuum_client.results import Score as Result

COLUMNS = ("file", "score", "p-value", "verdict", "record bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Score images; the smaller the p-value, the less normal the image."""

    images: tyro.conf.Positional[tuple[Path, ...]]
    """Image files, or folders of them at any depth."""
    source: tyro.conf.OmitArgPrefixes[Source] = field(default_factory=Source)
    false_alarm_rate: float | None = None
    """Share of normal images that may be flagged, above 0 and below 1; the model's by default."""
    heatmaps: Path | None = None
    """Folder for PNG files of the images with their heat maps."""
    force: tyro.conf.FlagCreatePairsOff[bool] = False
    """Overwrite heat maps that exist."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print JSON lines instead of a table."""

    def run(self, terminal: Terminal) -> None:
        """Runs the command. Raises UsageError, or ResiduumError if no single file is at fault."""
        self._check()
        with self.source.open(terminal) as model:
            outputs = self._outputs(terminal)
            rate = self.false_alarm_rate or model.describe().model.false_alarm_rate
            call = partial(
                model.score,
                false_alarm_rate=self.false_alarm_rate,
                heatmaps=self.heatmaps is not None,
            )
            with (
                terminal.report(COLUMNS, as_json=self.json) as report,
                terminal.progress("scoring", len(outputs), as_json=self.json) as advance,
            ):
                anomalous = 0
                work = run_on_files(list(outputs), call, terminal.fail)
                for count, (content, result) in enumerate(work, 1):
                    report.add(*_row(content.path, result))
                    anomalous += result.anomalous
                    share = f"{anomalous} of {count} anomalous"
                    report.summary = f"{share} at a false-alarm rate of {rate:g}"
                    _draw(content, result, outputs[content.path], terminal)
                    advance()

    def _check(self) -> None:
        """Raises UsageError for flags whose values no model takes."""
        if self.heatmaps is not None:
            check_folder(self.heatmaps, "--heatmaps")
        with usage_errors():
            check_value("false_alarm_rate", self.false_alarm_rate, spell=flag)

    def _outputs(self, terminal: Terminal) -> dict[Path, Path | None]:
        """The images, each with the path of its heat map or None."""
        inputs = find(self.images, IMAGE_SUFFIXES, terminal.fail)
        drawn: dict[Path, Path] = {}
        if self.heatmaps is not None:
            drawn = plan(inputs, self.heatmaps, ".png", force=self.force, fail=terminal.fail)
        return {entry.path: drawn.get(entry.path) for entry in inputs}


def _draw(content: Content, result: Result, output: Path | None, terminal: Terminal) -> None:
    if output is None or result.heatmap is None:
        return
    try:
        image = read_rgb(content.data)
    except InvalidInput as error:
        terminal.fail(content.path, f"no heat map drawn: {error}")
        return
    overlay = draw_heatmap(image, result.heatmap, result.heatmap_vmax)
    write(output, to_png(overlay), terminal.fail)


def _row(path: Path, result: Result) -> Row:
    cells = (
        str(path),
        f"{result.value:.4g}",
        f"{result.p_value:.4g}",
        "anomalous" if result.anomalous else "normal",
        f"{result.record_bytes}",
    )
    fields = {
        "path": str(path),
        "score": result.value,
        "p_value": result.p_value,
        "anomalous": result.anomalous,
        "scores": result.scores,
        "record_bytes": result.record_bytes,
    }
    return cells, fields
