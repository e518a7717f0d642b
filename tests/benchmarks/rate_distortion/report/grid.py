"""Tables as values, and their printing on a terminal."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table


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
        widths = [width for _, width in self.groups]
        return {1 + sum(widths[:i]) for i in range(len(widths))}


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
