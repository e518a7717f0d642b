"""A report on a terminal, and its two files: JSON with the numbers and one HTML page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from codec.atomic import staged
from training.errors import TrainingError
from training.evaluation.report.page import to_html
from training.evaluation.report.section import Section

REPORT_HTML, REPORT_JSON = "report.html", "report.json"


def show(console: Console, sections: Sequence[Section]) -> None:
    """Prints the tables."""
    for section in sections:
        if not section.rows:
            continue
        table = Table(title=section.title, title_justify="left", title_style="bold")
        for index, name in enumerate(section.head):
            table.add_column(name, justify="right" if index else "left")
        for row in section.rows:
            table.add_row(*map(escape, row))
        console.print(table)


def write(out: Path, title: str, facts: Mapping[str, Any], sections: Sequence[Section]) -> None:
    """Writes both files into a new or empty folder, or writes nothing. Raises OSError."""
    check_free(out)
    with staged(out) as folder:
        folder.mkdir()
        (folder / REPORT_JSON).write_text(json.dumps(facts, indent=2, allow_nan=False) + "\n")
        (folder / REPORT_HTML).write_text(to_html(title, sections), encoding="utf-8")


def check_free(out: Path) -> None:
    """Checks that no file would be overwritten. Raises TrainingError."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise TrainingError(f"{out} already exists and is not an empty folder; use another --out")
