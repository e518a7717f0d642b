"""`residuum score`: anomaly scores of images, heat maps, and regions."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import tyro

from residuum_client.commands.flags import OutputFlags, Source, UsageError, flag, usage_errors
from residuum_client.commands.inputs import IMAGE_SUFFIXES, Content, find, is_below, read
from residuum_client.commands.outcomes import Call, outcomes
from residuum_client.commands.outputs import check_folder, plan_each, write
from residuum_client.commands.terminal import Row, Terminal, place
from residuum_client.errors import InvalidInput, ResiduumError
from residuum_client.heatmap import draw_heatmap, to_levels
from residuum_client.image_reader import read_header, read_image
from residuum_client.options import check_value
from residuum_client.pictures import to_png
from residuum_client.results import Region
from residuum_client.results import Score as Result

COLUMNS = ("file", "score", "p-value", "verdict", "record bytes", "regions", "hottest")


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Score images; the smaller the p-value, the less normal the image.

    Regions, of anomalous images, are HEIGHTxWIDTH at TOP,LEFT in pixels of the heat map.
    """

    images: tyro.conf.Positional[tuple[Path, ...]]
    """Image files, or folders of them at any depth."""
    source: tyro.conf.OmitArgPrefixes[Source] = field(default_factory=Source)
    false_alarm_rate: float | None = None
    """Share of normal images that may be flagged, above 0 and below 1; the model's by default."""
    heatmaps: Path | None = None
    """Folder for PNG files of the images with their heat maps and regions."""
    maps: Path | None = None
    """Folder for heat maps as 16-bit gray PNG files, in which full colour is 16384."""
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
                heatmaps=bool(self._folders()),
            )
            self._work(outputs, call, rate, terminal)
        terminal.summarise()

    def _work(
        self,
        outputs: Mapping[Path, Mapping[Path, Path]],
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
                    self._draw(content, result, outputs[content.path], terminal)
                advance()

    def _check(self) -> None:
        """Raises UsageError for flags that contradict each other or that no model takes."""
        self.output.check()
        for option, folder in self._folders().items():
            check_folder(folder, option)
        if self.output.resume and not self._folders():
            raise UsageError(
                "--resume is given without --heatmaps or --maps, which show what was done"
            )
        drawn, maps = self.heatmaps, self.maps
        if drawn and maps and (is_below(drawn, maps) or is_below(maps, drawn)):
            raise UsageError("--heatmaps and --maps must be folders outside of each other")
        with usage_errors():
            check_value("false_alarm_rate", self.false_alarm_rate, spell=flag)

    def _folders(self) -> dict[str, Path]:
        """The folders for outputs, by their options."""
        folders = {"--heatmaps": self.heatmaps, "--maps": self.maps}
        return {option: folder for option, folder in folders.items() if folder is not None}

    def _outputs(self, terminal: Terminal) -> Mapping[Path, Mapping[Path, Path]]:
        """The images, each with its outputs by their folders."""
        folders = list(self._folders().values())
        inputs = find(self.images, IMAGE_SUFFIXES, terminal, *folders)
        if not folders:
            return {entry.path: {} for entry in inputs}
        drawn = plan_each(inputs, folders, ".png", self.output, terminal)
        return drawn if self.output.resume else {e.path: drawn.get(e.path, {}) for e in inputs}

    def _draw(
        self, content: Content, result: Result, outputs: Mapping[Path, Path], terminal: Terminal
    ) -> None:
        """Writes those of the pictures that are wanted."""
        heatmap, vmax = result.heatmap, result.heatmap_vmax
        if heatmap is None:
            return
        for folder, output in outputs.items():
            try:
                if folder == self.heatmaps:
                    boxes = [region.box for region in result.regions]
                    image = read_image(content.data, 3)
                    picture = to_png(draw_heatmap(image, heatmap, vmax, boxes=boxes))
                else:
                    header = read_header(content.data)
                    picture = to_png(to_levels(heatmap, vmax, (header.height, header.width)))
            except InvalidInput as error:
                terminal.fail(content.path, f"no heat map drawn: {error}")
            else:
                write(output, picture, terminal)


def _row(path: Path, result: Result) -> Row:
    cells = (
        str(path),
        f"{result.value:.4g}",
        f"{result.p_value:.4g}",
        "anomalous" if result.anomalous else "normal",
        f"{result.record_bytes}",
        f"{len(result.regions)}",
        next((place(region.box) for region in result.regions), "none"),
    )
    fields = {
        "path": str(path),
        "score": result.value,
        "p_value": result.p_value,
        "anomalous": result.anomalous,
        "scores": result.scores,
        "record_bytes": result.record_bytes,
        "regions": [_fields(region) for region in result.regions],
    }
    return cells, fields


def _fields(region: Region) -> dict[str, object]:
    return {
        **asdict(region.box),
        "area": region.area,
        "score": region.value,
        "p_value": region.p_value,
    }
