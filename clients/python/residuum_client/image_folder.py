"""The files of a folder at any depth: links followed, hidden files left out, the rest counted.

The client ships a copy of this file, since it works without the codec; a test keeps both equal.
"""

import errno
import os
import stat
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

BROKEN, LOOP, SPECIAL = "broken link", "link in a circle", "special file"
UNREADABLE, NO_SUFFIX, OTHER = "unreadable folder", "file without a suffix", "other file"
_PLURALS = {
    BROKEN: "broken links",
    LOOP: "links in a circle",
    SPECIAL: "special files",
    UNREADABLE: "unreadable folders",
    NO_SUFFIX: "files without a suffix",
    OTHER: "other files",
}
_LONGEST_SUFFIX = 12
# Kinds that a phrase names; the rest are others.
_NAMED = 10


@dataclass(frozen=True, slots=True)
class Walk:
    """The `files` of a folder in order, and how many others were `skipped` by suffix or reason."""

    files: tuple[Path, ...]
    skipped: Mapping[str, int]


def walk(folder: Path, suffixes: Collection[str]) -> Walk:
    """The files below a folder whose names end in one of the lower-case suffixes, in any case.

    Paths begin with `folder` as given and are never resolved; they are sorted by their parts. Links
    to files and folders are followed, except into a folder that they are in. Hidden files and
    folders are left out without counting them; sockets, pipes and devices are never opened. Raises
    OSError if `folder` itself cannot be listed.
    """
    files: list[Path] = []
    skipped: Counter[str] = Counter()
    # Folders still to list, each with the identities of itself and all folders above it.
    waiting = [(folder, frozenset({_identity(folder.stat())}))]
    while waiting:
        parent, above = waiting.pop()
        try:
            paths = [path for path in parent.iterdir() if not path.name.startswith(".")]
        except OSError:
            if parent == folder:
                raise
            skipped[UNREADABLE] += 1
            continue
        for path in paths:
            try:
                status = path.stat()
            except OSError as error:
                skipped[LOOP if _is_circle(error) else BROKEN] += 1
                continue
            if stat.S_ISDIR(status.st_mode):
                if _identity(status) in above:
                    skipped[LOOP] += 1
                else:
                    waiting.append((path, above | {_identity(status)}))
            elif reason := _reason(path, status, suffixes):
                skipped[reason] += 1
            else:
                files.append(path)
    return Walk(tuple(sorted(files, key=lambda path: path.parts)), dict(sorted(skipped.items())))


def phrase(skipped: Mapping[str, int]) -> str:
    """What was skipped as a phrase, most first: `3 .heic, 1 broken link`; empty for nothing."""
    order = sorted(skipped.items(), key=lambda item: (-item[1], item[0]))
    named = [f"{n} {what if n == 1 else _PLURALS.get(what, what)}" for what, n in order[:_NAMED]]
    if others := sum(n for _, n in order[_NAMED:]):
        named.append(f"{others} more")
    return ", ".join(named)


def _identity(status: os.stat_result) -> tuple[int, int]:
    return (status.st_dev, status.st_ino)


def _is_circle(error: OSError) -> bool:
    return error.errno == errno.ELOOP


def _reason(path: Path, status: os.stat_result, suffixes: Collection[str]) -> str:
    """Why a file is skipped; empty if it is not."""
    suffix = path.suffix.lower()
    if not stat.S_ISREG(status.st_mode):
        return SPECIAL
    if suffix in suffixes:
        return ""
    if not suffix:
        return NO_SUFFIX
    # Any other name may hold characters that a terminal acts on, or have a dot by chance.
    known = suffix[1:].isascii() and suffix[1:].isalnum() and len(suffix) <= _LONGEST_SUFFIX
    return suffix if known else OTHER
