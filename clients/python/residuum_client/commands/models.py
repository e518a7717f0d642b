"""`residuum models`: the models of a server, or the model of a bundle."""

from dataclasses import asdict, dataclass, field

import tyro

from residuum_client.commands.flags import Source
from residuum_client.commands.terminal import Terminal
from residuum_client.results import ModelInfo

COLUMNS = ("model", "version", "family", "input", "quality", "false alarms", "on", "MB")


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """List the models of a server, or the model of a bundle."""

    source: tyro.conf.OmitArgPrefixes[Source] = field(default_factory=Source)
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print JSON lines instead of a table."""

    def run(self, terminal: Terminal) -> None:
        """Runs the command. Raises UsageError or ResiduumError."""
        with (
            self.source.open(terminal, any_model=True) as backend,
            terminal.report(COLUMNS, as_json=self.json) as report,
        ):
            for model in backend.models():
                report.add(cells(model), fields(model))


def fields(model: ModelInfo) -> dict[str, object]:
    """A model in JSON."""
    return {**asdict(model), "model_id": model.model_id.hex()}


def cells(model: ModelInfo) -> tuple[str, ...]:
    """A model in a table of `COLUMNS`."""
    colour = "gray" if model.channels == 1 else "RGB"
    size = "any size" if model.height is None else f"{model.height}x{model.width}"
    return (
        model.name,
        model.version,
        model.family,
        f"{size} {colour}, {model.fit}",
        f"{model.default_quality} of 0..{model.quality_levels - 1}",
        _false_alarms(model),
        model.provider,
        f"{model.bundle_bytes / 1e6:.2f}",
    )


def _false_alarms(model: ModelInfo) -> str:
    """The rate, and what it does not exceed with a probability of 95 %, if that is known."""
    bound = model.false_alarm_rate_bound
    return f"{model.false_alarm_rate:g}" + (f", at most {bound:.2g}" if bound else "")
