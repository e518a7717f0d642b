"""Tables as values, and what they look like in HTML and on a terminal."""

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #1a202c; max-width: 78rem; margin: 1.5rem auto;
       padding: 0 1rem; }
h1 { font-size: 1.6rem; margin: 0 0 .5rem; } h2 { font-size: 1.25rem; margin: 2rem 0 .3rem; }
p { margin: .4rem 0; max-width: 62rem; } .note { color: #4a5568; font-size: .9rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .4rem 0 .6rem; }
th, td { padding: .16rem .55rem; text-align: right; white-space: nowrap; }
th { font-weight: 600; } tr.units th { font-weight: 400; color: #4a5568; }
tbody tr { border-top: 1px solid #e2e8f0; } thead { border-bottom: 2px solid #a0aec0; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
.first { border-left: 1px solid #cbd5e0; } td.best { font-weight: 700; }
tr.ours td { background: #fff5f5; } tr.goal td { color: #4a5568; font-style: italic; }
figure { margin: .6rem 0; } img { max-width: 100%; } details { margin: .3rem 0; }
summary { cursor: pointer; color: #2b6cb0; }
"""


@dataclass(frozen=True, slots=True)
class Row:
    """Cells of a row; `best` are the positions of those in bold."""

    cells: tuple[str, ...]
    kind: str = ""
    best: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: column names, above them the names of groups of columns, and rows.

    `groups` are names and numbers of columns; the first column is in none.
    """

    title: str
    head: tuple[str, ...]
    rows: Sequence[Row]
    groups: tuple[tuple[str, int], ...] = ()

    def firsts(self) -> set[int]:
        """The positions at which a group begins."""
        at, found = 1, set()
        for _, width in self.groups:
            found.add(at)
            at += width
        return found


def table(grid: Grid) -> str:
    """The grid in HTML."""
    firsts = grid.firsts()
    above = "".join(
        f'<th class="first" colspan="{width}">{html.escape(name)}</th>'
        for name, width in grid.groups
    )
    top = f"<tr><th></th>{above}</tr>" if above else ""
    names = "".join(_cell("th", name, _classes(i in firsts)) for i, name in enumerate(grid.head))
    units = f'<tr class="units">{names}</tr>' if top else f"<tr>{names}</tr>"
    rows = "\n".join(_row(row, firsts) for row in grid.rows)
    return (
        f'<div class="wide"><table><thead>{top}{units}</thead>\n<tbody>{rows}</tbody></table></div>'
    )


def _row(row: Row, firsts: set[int]) -> str:
    cells = "".join(
        _cell("td", text, _classes(i in firsts, i in row.best)) for i, text in enumerate(row.cells)
    )
    return f'<tr class="{row.kind}">{cells}</tr>'


def _classes(first: bool, best: bool = False) -> str:
    return " ".join(name for name, there in (("first", first), ("best", best)) if there)


def _cell(tag: str, text: str, classes: str) -> str:
    return f'<{tag} class="{classes}">{html.escape(text)}</{tag}>'


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph in HTML."""
    return f'<p class="{kind}">{html.escape(text)}</p>' if text else ""


def folded(title: str, content: str) -> str:
    """Content that opens on a click."""
    return f"<details><summary>{html.escape(title)}</summary>\n{content}\n</details>"


def figure(png: bytes, caption: str) -> str:
    """A picture inside the page."""
    data = base64.b64encode(png).decode()
    return f'<figure><img alt="{html.escape(caption)}" src="data:image/png;base64,{data}"></figure>'


def document(title: str, body: str) -> str:
    """A page that needs no other file."""
    name = html.escape(title)
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width">\n'
        f"<title>{name}</title>\n<style>{STYLE}</style>\n<h1>{name}</h1>\n{body}\n</html>\n"
    )


def show(console: Console, grid: Grid) -> None:
    """Prints the grid."""
    shown = Table(
        title=grid.title,
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    above = _above(grid)
    for index, name in enumerate(grid.head):
        title = name.removesuffix(" dB")
        shown.add_column(
            f"{above[index]}\n{title}" if grid.groups else title,
            justify="right" if index else "left",
            no_wrap=True,
        )
    for row in grid.rows:
        cells = (
            f"[bold]{escape(text)}[/bold]" if i in row.best else escape(text)
            for i, text in enumerate(row.cells)
        )
        shown.add_row(*cells)
    console.print(shown)


def _above(grid: Grid) -> list[str]:
    """The short name of each column's group, above the first of its columns."""
    names = [""] * len(grid.head)
    for at, (name, _) in zip(sorted(grid.firsts()), grid.groups, strict=True):
        names[at] = name.partition(":")[0]
    return names
