"""Tables and JSON files of the benchmarks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

OUT = Path("build/bench")
BUSY = "no verdict: busy"
WIDTH = 150


@dataclass(frozen=True)
class Bar:
    """What a figure is to reach, or to stay below."""

    limit: float
    at_least: bool = True

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}"

    def verdict(self, figure: float | None, calm: bool = True) -> str:
        """Whether the figure meets the bar; nothing is said about one that was not measured."""
        if figure is None:
            return "not measured"
        if not calm:
            return BUSY
        met = figure >= self.limit if self.at_least else figure <= self.limit
        return "met" if met else "missed"


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Prints a table: the first column to the left, the others to the right."""
    table = Table(title=title)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    for row in rows:
        table.add_row(*map(_text, row))
    Console(width=max(WIDTH, Console().width)).print(table)


def _text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)


def write(name: str, figures: Any) -> None:
    """Writes `build/bench/NAME.json`."""
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / f"{name}.json"
    path.write_text(json.dumps(figures, indent=1) + "\n")
    print(f"wrote {path}")
