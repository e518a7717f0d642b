"""A report on a terminal, and its two files: JSON with the numbers and one HTML page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from codec.atomic import staged
from training.errors import TrainingError
from training.evaluation.report.page import to_html
from training.evaluation.report.section import Section

Column = tuple[str, ...]
REPORT_HTML, REPORT_JSON = "report.html", "report.json"


# A column of a table that is too wide is broken at this width; what the lines take of each column.
BROKEN_WIDTH, LINES = 24, 3


def show(console: Console, sections: Sequence[Section]) -> None:
    """Prints the tables. One that is too wide is printed in parts, each with the first column."""
    for section in sections:
        if not section.rows:
            continue
        columns = list(zip(section.head, *section.rows, strict=True))
        for part in _parts(columns, console.width):
            table = Table(title=section.title, title_justify="left", title_style="bold")
            for index, (column, width) in enumerate(part):
                justify: Literal["left", "right"] = "right" if index else "left"
                table.add_column(column[0], justify=justify, width=width, overflow="fold")
            for row in list(zip(*(column for column, _ in part), strict=True))[1:]:
                table.add_row(*map(escape, row))
            console.print(table)


def _parts(columns: Sequence[Column], width: int) -> Iterator[list[tuple[Column, int]]]:
    """Columns with their widths, in groups that fit into a terminal, each after the first one."""
    widths = [_width(column, "\n") for column in columns]
    if sum(widths) + LINES * len(widths) + 1 > width:
        # Heads may break between words.
        narrow = [min(BROKEN_WIDTH, max(_width(c[1:], "\n"), _width(c[:1]))) for c in columns]
        widths = [min(widths[0], BROKEN_WIDTH), *narrow[1:]]
    first, *others = zip(columns, widths, strict=True)
    group = [first]
    for column in others:
        used = sum(w + LINES for _, w in [*group, column]) + 1
        if used > width and len(group) > 1:
            yield group
            group = [first]
        group.append(column)
    yield group


def _width(cells: Column, separator: str | None = None) -> int:
    """The longest line, or without a separator the longest word, of the cells of a column."""
    return max(len(part) for cell in cells for part in cell.split(separator) or [""])


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
