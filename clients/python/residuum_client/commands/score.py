"""`residuum score`: anomaly scores of images, and heat maps."""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import tyro

from residuum_client.commands.flags import OutputFlags, Source, UsageError, flag, usage_errors
from residuum_client.commands.inputs import IMAGE_SUFFIXES, Content, find, read
from residuum_client.commands.outcomes import Call, outcomes
from residuum_client.commands.outputs import check_folder, plan, write
from residuum_client.commands.terminal import Row, Terminal
from residuum_client.errors import InvalidInput, ResiduumError
from residuum_client.heatmap import draw_heatmap
from residuum_client.image_reader import read_image
from residuum_client.options import check_value
from residuum_client.pictures import to_png
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
    output: tyro.conf.OmitArgPrefixes[OutputFlags] = field(default_factory=OutputFlags)
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print JSON lines instead of a table."""

    def run(self, terminal: Terminal) -> None:
        """Runs the command. Raises UsageError, or ResiduumError if no single file is at fault."""
        self._check()
        with self.source.open(terminal) as model:
            outputs = self._outputs(terminal)
            rate = self.false_alarm_rate or model.describe().model.false_alarm_rate
            call = partial(
                model.score_each,
                false_alarm_rate=self.false_alarm_rate,
                heatmaps=self.heatmaps is not None,
            )
            self._work(outputs, call, rate, terminal)
        terminal.summarise()

    def _work(
        self,
        outputs: dict[Path, Path | None],
        call: Call[Result],
        rate: float,
        terminal: Terminal,
    ) -> None:
        anomalous = 0
        with (
            terminal.report(COLUMNS, as_json=self.json) as report,
            terminal.progress("scoring", len(outputs), as_json=self.json) as advance,
        ):
            for content, result in outcomes(map(read, outputs), call):
                if isinstance(result, ResiduumError):
                    terminal.fail(content.path, result.reason)
                else:
                    terminal.tally.done += 1
                    anomalous += result.anomalous
                    report.add(*_row(content.path, result))
                    share = f"{anomalous} of {terminal.tally.done} anomalous"
                    report.summary = f"{share} at a false-alarm rate of {rate:g}"
                    _draw(content, result, outputs[content.path], terminal)
                advance()

    def _check(self) -> None:
        """Raises UsageError for flags that contradict each other or that no model takes."""
        self.output.check()
        if self.heatmaps is not None:
            check_folder(self.heatmaps, "--heatmaps")
        elif self.output.resume:
            raise UsageError("--resume is given without --heatmaps, which shows what was done")
        with usage_errors():
            check_value("false_alarm_rate", self.false_alarm_rate, spell=flag)

    def _outputs(self, terminal: Terminal) -> dict[Path, Path | None]:
        """The images, each with the path of its heat map or None."""
        inputs = find(self.images, IMAGE_SUFFIXES, terminal, self.heatmaps)
        if self.heatmaps is None:
            return dict.fromkeys(entry.path for entry in inputs)
        drawn = plan(inputs, self.heatmaps, ".png", self.output, terminal)
        if self.output.resume:
            return dict(drawn)
        return {entry.path: drawn.get(entry.path) for entry in inputs}


def _draw(content: Content, result: Result, output: Path | None, terminal: Terminal) -> None:
    if output is None or result.heatmap is None:
        return
    try:
        image = read_image(content.data, 3)
    except InvalidInput as error:
        terminal.fail(content.path, f"no heat map drawn: {error}")
        return
    overlay = draw_heatmap(image, result.heatmap, result.heatmap_vmax)
    write(output, to_png(overlay), terminal)


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
