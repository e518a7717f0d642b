"""Writes METRICS.md, the page of all metrics and settings; `make reference` runs it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import Metric
from pydantic.fields import FieldInfo

from service.metrics import Metrics
from service.settings import KINDS, PREFIX, Settings
from service.supervisor.metrics_page import supervisor_families

PAGE = Path(__file__).with_name("METRICS.md")
TEXT = """\
# Metrics and settings of the server

<!-- Generated from the package metrics and settings.py: run `make reference` after a change. -->

## Metrics

The server exposes these metrics in the Prometheus format at `/metrics` on its metrics port. A
histogram has the suffixes `_bucket`, `_sum` and `_count`; `residuum_score`, whose values may be
negative, has only `_bucket`.

{metrics}
| label | values |
| --- | --- |
| `method` | name of an RPC, for example `EncodeStream`; for images `Encode`, `Decode` or `Score`; \
for runs `encode`, `evidence`, `decode` or `score` |
| `code` | gRPC status code, for example `OK` or `RESOURCE_EXHAUSTED` |
| `model`, `name` | name of a model |
| `version` | version of a model |
| `model_id` | SHA-256 of everything that decoding with a model depends on, in hexadecimal |
| `provider` | `cpu` or `cuda` |
| `reason` | `queue`, `deadline`, `memory`, `calls` or `streams` |

All values are sums over the serving processes, those that have ended included. Gauges are those of
the processes that run; of estimates, the newest. The page also has the `process_*` metrics of the
Prometheus client library for each process: CPU time, memory, start time and open files. Their label
`process` is `supervisor` or a number.

## Settings

`residuum-serve` takes its settings from flags, or from environment variables. A flag takes
precedence.

{settings}"""


def main() -> None:
    """Writes the page."""
    PAGE.write_text(page(), encoding="utf-8")


def page() -> str:
    """The page, made from the classes `Metrics` and `Settings`."""
    return TEXT.format(
        metrics=_table(("metric", "type", "labels", "unit", "meaning"), _metrics()),
        settings=_table(("flag", "variable", "default", "allowed", "meaning"), _settings()),
    )


def _metrics() -> Iterator[tuple[str, ...]]:
    for group in vars(Metrics(CollectorRegistry())).values():
        for collector in vars(group).values():
            if isinstance(collector, MetricWrapperBase):
                (family,) = collector.describe()
                yield _row(family, collector._labelnames)
    for family in supervisor_families():
        yield _row(family, family._labelnames)


def _row(family: Metric, labelnames: Sequence[str]) -> tuple[str, ...]:
    name = f"{family.name}_total" if family.type == "counter" else family.name
    labels = ", ".join(f"`{label}`" for label in labelnames)
    return f"`{name}`", family.type, labels, family.unit, family.documentation


def _settings() -> Iterator[tuple[str, ...]]:
    for name, setting in Settings.model_fields.items():
        flag, variable = f"`--{name.replace('_', '-')}`", f"`{PREFIX}{name.upper()}`"
        yield (
            flag,
            variable,
            _default(setting),
            KINDS.get(name) or _allowed(setting),
            setting.description or "",
        )


def _default(setting: FieldInfo) -> str:
    if setting.is_required():
        return "required"
    return "none" if setting.default is None else f"`{setting.default}`"


def _allowed(setting: FieldInfo) -> str:
    """The choices or the range of a setting; empty if any value is valid."""
    choices = [arg for arg in get_args(setting.annotation) if isinstance(arg, str)]
    if choices:
        return ", ".join(f"`{choice}`" for choice in choices)
    least, most = _bound(setting, "ge"), _bound(setting, "le")
    if least is None:
        return ""
    return f"at least {least}" if most is None else f"{least} to {most}"


def _bound(setting: FieldInfo, kind: str) -> Any:
    bounds = [getattr(one, kind) for one in setting.metadata if hasattr(one, kind)]
    return bounds[0] if bounds else None


def _table(header: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


if __name__ == "__main__":
    main()
