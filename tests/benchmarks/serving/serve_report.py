"""Ratios and verdicts from the measures of bench-serve."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass

from serving import kernel
from serving.report import Bar, show, write

REPETITIONS = 3
# CPU per image of a cell, as a part of that of another. The first three are shares of the cost
# without a server.
RATIOS = (
    ("bare", "32 a call", Bar(0.90)),
    ("bare", "32 a stream message", Bar(0.95)),
    ("bare", "1 a call", Bar(0.45)),
    ("1 a call", "naive, 1 a call", Bar(0.55, at_least=False)),
    ("1 a call", "MLServer, 1 a call", Bar(0.35, at_least=False)),
)
SCALING, START, IDLE = Bar(1.8), Bar(3, at_least=False), Bar(0.01, at_least=False)


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A cell in one repetition; times in microseconds of CPU."""

    per_image: float
    busiest_per_image: float
    images_per_second: float
    foreign: float
    stolen: float
    failures: int
    calm: bool


@dataclass(frozen=True)
class Repetition:
    """The pressure while the benchmark rested, then the measures of all cells by name."""

    pressure: float
    measures: dict[str, Measure]

    @property
    def calm(self) -> bool:
        """Whether it counts for a verdict."""
        calm = all(one.calm for one in self.measures.values())
        return calm and self.pressure <= kernel.MOST_PRESSURE


@dataclass(frozen=True)
class Rest:
    """Seconds from the start of a server until it is ready, and its CPU share when idle."""

    start_seconds: float
    idle: float
    calm: bool


def report(done: list[Repetition], rest: Rest) -> None:
    """Prints the tables and writes the JSON file."""
    count = sum(one.calm for one in done)
    enough = count >= REPETITIONS
    used = [one.measures for one in done if one.calm or not enough]
    columns = ("cell", "minimum", "median", "maximum", "images/s", "failed calls", "others' share")
    show("Microseconds of CPU per image, `fashion`", columns, [row(name, used) for name in used[0]])
    judged = [
        (f"{figure} / {of}", ratio(used, figure, of), bar, enough) for figure, of, bar in RATIOS
    ]
    scaling = ratio(used, "1 a call", "1 a call, 2 processes", "busiest_per_image")
    judged += [
        ("2 processes / 1, images per second of CPU of the busiest", scaling, SCALING, enough),
        ("seconds from start to ready", rest.start_seconds, START, rest.calm),
        ("share of a core when idle", rest.idle, IDLE, rest.calm),
    ]
    rows = [[name, value, str(bar), bar.verdict(value, calm)] for name, value, bar, calm in judged]
    names = ("figure", "value", "bar", "verdict")
    show(f"Medians of {len(used)} repetitions", names, rows)
    if not enough:
        print(f"The machine was busy: calm in {count} of {len(done)} repetitions, of 3 needed.")
    ratios = [dict(zip(names, one, strict=True)) for one in rows]
    write("serve", {"figures": ratios, "repetitions": [asdict(one) for one in done]})


def row(name: str, used: list[dict[str, Measure]]) -> list[object]:
    """A line of the table of cells."""
    costs = [measures[name].per_image for measures in used]
    rate = statistics.median(measures[name].images_per_second for measures in used)
    foreign = max(measures[name].foreign for measures in used)
    failures = sum(measures[name].failures for measures in used)
    middle = statistics.median(costs)
    return [name, min(costs), middle, max(costs), rate, failures, f"{foreign:.0%}"]


def ratio(
    used: list[dict[str, Measure]], figure: str, of: str, field: str = "per_image"
) -> float | None:
    """The median of the ratios within each repetition; None if a cell was left out."""
    if of not in used[0]:
        return None
    return statistics.median(getattr(one[figure], field) / getattr(one[of], field) for one in used)
