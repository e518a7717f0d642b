"""A console whose lines are also written to RUN/train.log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console

LOG = "train.log"


class LoggedConsole(Console):
    """Keeps printed lines until the folder of the run is there, then appends them to its log."""

    def __init__(self, run: Path, **options: Any) -> None:
        super().__init__(**options)
        self._path, self._waiting = run / LOG, list[str]()

    def print(self, *objects: Any, **options: Any) -> None:
        """Prints a line; lines of text are logged too."""
        super().print(*objects, **options)
        if objects and all(isinstance(one, str) for one in objects):
            self._waiting.append(" ".join(objects))
        # A new run must find its folder empty: the log begins with the first file of the run.
        if self._waiting and any(self._path.parent.glob("*")):
            with self._path.open("a", encoding="utf-8") as log:
                log.writelines(f"{line}\n" for line in self._waiting)
            self._waiting.clear()
