"""Output of a command: results on stdout, progress and failures on stderr."""

import io
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePath

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from residuum_client.commands.tally import Tally
from residuum_client.results import Box

# One result: the cells of its row in a table, and its fields in JSON.
Row = tuple[tuple[str, ...], dict[str, object]]
# Width of a table in a file or a pipe.
PIPE_WIDTH = 240
# Rows of one table; a layout of all the rows of a long run would take gigabytes.
TABLE_ROWS = 1000


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
        """Adds one result: the cells of its row, and its fields in JSON.

        JSON is plain ASCII. Bytes of a path that are not UTF-8 are \\udc80..\\udcff there, as in
        Python.
        """
        if self._as_json:
            true = {name: _decoded(value) for name, value in fields.items()}
            print(json.dumps(true), flush=True)  # noqa: T201 - also without a stdout
        else:
            self._rows.append(cells)

    def tables(self, encoding: str) -> Iterator[Table]:
        """The rows so far, in tables that fit in memory; none without rows.

        All columns but the first are aligned right. The total is in the last table.
        """
        for start in range(0, len(self._rows), TABLE_ROWS):
            rows = self._rows[start : start + TABLE_ROWS]
            total = self.total if start + TABLE_ROWS >= len(self._rows) else None
            table = Table(show_footer=total is not None)
            for place, column in enumerate(self._columns):
                footer = Text(total[place] if total else "")
                justify = "right" if place else "left"
                table.add_column(column, footer, justify=justify, overflow="fold")  # type: ignore[arg-type]
            for row in rows:
                table.add_row(*(Text(printable(cell, encoding)) for cell in row))
            yield table


class Terminal:
    """The output of one command. Counts its files, and can stop it from another thread.

    Characters that the encoding of a stream does not have are replaced.
    """

    def __init__(self) -> None:
        self.tally = Tally()
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        self._stopped = False
        self._closers: list[Callable[[], None]] = []
        self._out = Console(highlight=False)
        self._err = Console(stderr=True, highlight=False)
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

    def line(self, sentence: str, fields: dict[str, object], *, as_json: bool) -> None:
        """Prints one result at once: as a sentence, or its fields in JSON."""
        self._check()
        if as_json:
            Report((), as_json=True).add((), fields)
        else:
            self._out.print(Text(printable(sentence, self._out.encoding)), soft_wrap=True)

    def fail(self, subject: PurePath, reason: str) -> None:
        """Reports one file that failed, in one line.

        Raises KeyboardInterrupt after `stop`: then the file may have failed because of it.
        """
        self._check()
        self.complain(f"{subject}: {reason}")

    def complain(self, sentence: str) -> None:
        """Reports a failure in one line, and counts it."""
        self.tally.failed += 1
        self._say(sentence)

    def summarise(self) -> None:
        """Says in one line what became of the files, if anything failed or was skipped."""
        if summary := self.tally.summary():
            self._say(summary)

    @contextmanager
    def report(self, columns: Sequence[str], *, as_json: bool) -> Iterator[Report]:
        """A report. Its table is printed even if the work ends early."""
        report = Report(columns, as_json=as_json)
        try:
            yield report
        finally:
            for table in report.tables(self._out.encoding):
                self._out.print(table)
            if report.summary and not as_json:
                self._out.print(report.summary)

    @contextmanager
    def progress(self, what: str, total: int, *, as_json: bool) -> Iterator[Callable[[], None]]:
        """A progress bar on stderr for `total` files, and the function that advances it by one.

        The bar is hidden if stderr is not a terminal, or if it would mix with JSON on a terminal.
        """
        self.tally.total = total
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

    def _say(self, sentence: str) -> None:
        self._err.print(Text(printable(sentence, self._err.encoding)), soft_wrap=True)

    def _check(self) -> None:
        if self._stopped:
            raise KeyboardInterrupt


def place(box: Box) -> str:
    """A box as it is listed: HEIGHTxWIDTH at TOP,LEFT."""
    return f"{box.height}x{box.width} at {box.top},{box.left}"


def printable(text: str, encoding: str = "utf-8") -> str:
    """The text as one line that a terminal of this encoding prints, whatever a file is called."""
    plain = "".join(
        c if c.isprintable() else " " if c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in text
    )
    return plain.encode(encoding, "replace").decode(encoding)


def _decoded(value: object) -> object:
    """A path as its bytes mean it in UTF-8, also if the locale has another encoding."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    return value
