"""Progress of an evaluation on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from codec.errors import printable

# Called with (done, total) as a step advances.
ProgressCallback = Callable[[int, int], None]


class Reporter:
    """Shows one progress bar per step if `console` is a terminal; `notes` gets sentences."""

    def __init__(self, console: Console, notes: Console) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        disable = not console.is_terminal
        self._notes = notes
        self._bars = Progress(*columns, TimeRemainingColumn(), console=console, disable=disable)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def note(self, sentence: str) -> None:
        """Prints a sentence about the data."""
        self._notes.print(printable(sentence), markup=False, highlight=False, soft_wrap=True)

    def start(self, step: str) -> ProgressCallback:
        """Adds the bar of a step; the callback moves it."""
        task = self._bars.add_task(step, total=None)
        return lambda done, total: self._bars.update(task, completed=done, total=total)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """A step that cannot say how far it has come: its bar fills at the end."""
        advance = self.start(name)
        yield
        advance(1, 1)
