"""Output of a command: results on stdout, progress and failures on stderr."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePath

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

# One result: the cells of its row in a table, and its fields in JSON.
Row = tuple[tuple[str, ...], dict[str, object]]
# Width of a table in a file or a pipe.
PIPE_WIDTH = 160


class Report:
    """Results, as JSON lines at once, or collected for a table.

    The table may have a last row, `total`, and a sentence after it, `summary`.
    """

    def __init__(self, columns: Sequence[str], *, as_json: bool) -> None:
        self._columns, self._as_json = columns, as_json
        self._rows: list[Sequence[str]] = []
        self.total: Sequence[str] | None = None
        self.summary = ""

    def add(self, cells: Sequence[str], fields: dict[str, object]) -> None:
        """Adds one result: the cells of its row, and its fields in JSON."""
        if self._as_json:
            sys.stdout.write(json.dumps(fields) + "\n")
            sys.stdout.flush()
        else:
            self._rows.append(cells)

    def table(self) -> Table | None:
        """The rows so far, all columns but the first aligned right; None without rows."""
        if not self._rows:
            return None
        table = Table(show_footer=self.total is not None)
        for place, column in enumerate(self._columns):
            footer = Text(self.total[place] if self.total else "")
            justify = "right" if place else "left"
            table.add_column(column, footer, justify=justify, overflow="fold")  # type: ignore[arg-type]
        for row in self._rows:
            table.add_row(*map(Text, row))
        return table


class Terminal:
    """The output of one command. Counts its failures, and can stop it from another thread.

    `unfinished` is added to the error of a command that ends early.
    """

    def __init__(self) -> None:
        self.failures, self.unfinished = 0, ""
        self._stopped = False
        self._closers: list[Callable[[], None]] = []
        self._out = Console(file=sys.stdout, highlight=False)
        self._err = Console(file=sys.stderr, highlight=False)
        if not self._out.is_terminal:
            self._out.width = PIPE_WIDTH

    def stop(self) -> None:
        """Ends the command with KeyboardInterrupt after its current file.

        Called from another thread.
        """
        self._stopped = True
        for close in self._closers:
            close()
        # A progress bar hides it, and may not come to its end.
        self._err.show_cursor()

    def on_stop(self, close: Callable[[], None]) -> None:
        """Registers a function that ends long waits. Raises KeyboardInterrupt after `stop`."""
        self._closers.append(close)
        self._check()

    def fail(self, subject: PurePath, reason: str) -> None:
        """Reports one file that failed, in one line."""
        self.complain(f"{subject}: {reason}")

    def complain(self, sentence: str) -> None:
        """Reports a failure in one line, and counts it."""
        self.failures += 1
        self._err.print(Text(printable(sentence)), soft_wrap=True)

    @contextmanager
    def report(self, columns: Sequence[str], *, as_json: bool) -> Iterator[Report]:
        """A report. Its table is printed even if the work ends early."""
        report = Report(columns, as_json=as_json)
        try:
            yield report
        finally:
            if table := report.table():
                self._out.print(table)
                if report.summary:
                    self._out.print(report.summary)

    @contextmanager
    def progress(self, what: str, total: int, *, as_json: bool) -> Iterator[Callable[[], None]]:
        """A progress bar on stderr and the function that advances it by one file.

        The bar is hidden if stderr is not a terminal, or if it would mix with JSON on a terminal.
        """
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        hidden = not self._err.is_terminal or (as_json and self._out.is_terminal)
        progress = Progress(
            *columns, console=self._err, disable=hidden, transient=True, redirect_stdout=False
        )
        with progress:
            task = progress.add_task(what, total=total)

            def advance() -> None:
                progress.advance(task)
                self._check()

            yield advance

    def _check(self) -> None:
        if self._stopped:
            raise KeyboardInterrupt


def printable(text: str) -> str:
    """The text as one printable line, whatever characters a file name has."""
    line = " ".join(text.split())
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)
