"""A report: sections of tables and pictures, on a terminal, as JSON and as one HTML file."""

from __future__ import annotations

import base64
import html
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from training.errors import TrainingError

REPORT_HTML, REPORT_JSON = "report.html", "report.json"
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 60rem; margin: 2rem auto;
       padding: 0 1rem; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.5rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .8rem; border-bottom: 1px solid #ddd; text-align: right; }
th:first-child, td:first-child { text-align: left; }
figure { margin: 1rem 0; } figcaption { color: #555; } img { max-width: 100%; }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A PNG file and what it shows."""

    png: bytes
    caption: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading, what it is about in a sentence or two, and its evidence."""

    title: str
    text: str
    head: tuple[str, ...] = ()
    """names of the columns"""
    rows: Sequence[tuple[str, ...]] = ()
    pictures: Sequence[Picture] = ()


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


def to_html(title: str, sections: Sequence[Section]) -> str:
    """One file that needs no other."""
    body = "\n".join(_section(section) for section in sections)
    name = html.escape(title)
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width">\n'
        f"<title>{name}</title>\n<style>{_STYLE}</style>\n<h1>{name}</h1>\n{body}\n</html>\n"
    )


def write(out: Path, title: str, facts: Mapping[str, Any], sections: Sequence[Section]) -> None:
    """Writes both files into a new or empty folder, complete or not at all. Raises OSError."""
    check_free(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        folder = staging / out.name
        folder.mkdir()
        (folder / REPORT_JSON).write_text(json.dumps(facts, indent=2, allow_nan=False) + "\n")
        (folder / REPORT_HTML).write_text(to_html(title, sections), encoding="utf-8")
        folder.replace(out)
    finally:
        shutil.rmtree(staging)


def check_free(out: Path) -> None:
    """Raises TrainingError where a report would overwrite something."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise TrainingError(f"{out} exists already and is not an empty folder; use another --out")


def _section(section: Section) -> str:
    parts = [f"<h2>{html.escape(section.title)}</h2>", f"<p>{html.escape(section.text)}</p>"]
    if section.rows:
        rows = "".join(_row(row, "td") for row in section.rows)
        parts.append(f"<table>{_row(section.head, 'th')}{rows}</table>")
    for picture in section.pictures:
        data = base64.b64encode(picture.png).decode()
        caption = html.escape(picture.caption)
        parts.append(
            f'<figure><img alt="{caption}" src="data:image/png;base64,{data}">'
            f"<figcaption>{caption}</figcaption></figure>"
        )
    return "\n".join(parts)


def _row(cells: Sequence[str], tag: str) -> str:
    return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>\n"
