"""How many files of the project a piece of work crosses, counted with sys.setprofile."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType

from source_tree import ROOT, python_files

SOURCES = {ROOT / path: str(path) for path in python_files() if path.parts[0] != "tests"}
# Set for the code of functions, not for that of modules and class bodies, which runs at import.
OPTIMIZED = 0x1


class Hops:
    """The functions of the project that were called, by file."""

    def __init__(self) -> None:
        # By identity: two files with the same text, such as a copy, have equal code.
        self.seen: dict[int, CodeType] = {}
        self.recording = False

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        if self.recording and event == "call":
            self.seen[id(frame.f_code)] = frame.f_code

    def files(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for code in self.seen.values():
            path = Path(code.co_filename)
            if path.is_absolute() and path in SOURCES and code.co_flags & OPTIMIZED:
                found.setdefault(SOURCES[path], set()).add(code.co_qualname)
        return found

    def check(self, limit: int) -> str:
        """One line with the counts; a list of the files is the error if they are too many."""
        files = self.files()
        functions = sum(map(len, files.values()))
        listing = "\n".join(f"{len(names):5} {path}" for path, names in sorted(files.items()))
        line = f"{len(files)} files, {functions} functions"
        assert len(files) <= limit, f"{line}; at most {limit} files are allowed\n{listing}"
        return line


@contextmanager
def profiled() -> Iterator[Hops]:
    """Watches this thread and all that start meanwhile; counts while `recording` is set."""
    hops = Hops()
    before = sys.getprofile()
    threading.setprofile(hops)
    sys.setprofile(hops)
    try:
        yield hops
    finally:
        sys.setprofile(before)
        threading.setprofile(None)
