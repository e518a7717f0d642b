"""Files below a folder by the ends of their paths.

A list made on another machine, or inside of the folder of images, has other paths than those that
lead from here, or other capitals: `C:\\set\\img\\0.png` and `0.png` may both be `img/0.png`.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from codec.image_folder import walk
from codec.image_reader import SUFFIXES
from training.data.layouts.rules import is_word

Parts = tuple[str, ...]


class Places:
    """The image files below a folder, or next to a file; the folder is listed when first asked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.parent if folder.is_file() else folder

    def images(self, paths: Sequence[str]) -> list[Path | None]:
        """The image of each path: the one with the longest end of it, with or without suffix.

        Of several the one in the folder that most of the paths may be in; None if that is unclear.
        """
        possible = [_longest(self._ends[False], path) for path in paths]
        votes = Counter(file.parent for files in possible for file in files)
        return [_chosen(files, votes) for files in possible]

    def mask(self, path: str) -> Path | None:
        """The same among the files in folders for masks."""
        return _chosen(_longest(self._ends[True], path), Counter())

    def name(self, path: Path) -> str:
        """A path as seen from the folder, with `/`."""
        return path.relative_to(self._folder).as_posix()

    @functools.cached_property
    def _ends(self) -> dict[bool, dict[Parts, list[Path]]]:
        ends: dict[bool, dict[Parts, list[Path]]] = {False: {}, True: {}}
        above = len(self._folder.parts)
        for path in walk(self._folder, SUFFIXES).files:
            parts = path.parts[above:]
            if any(is_word(part, "JUNK") for part in parts[:-1]):
                continue
            known = ends[any(is_word(part, "TRUTH") for part in parts[:-1])]
            for end in _ends_of(parts):
                known.setdefault(end, []).append(path)
                known.setdefault((*end[:-1], path.stem.casefold()), []).append(path)
        return ends


def _longest(ends: Mapping[Parts, Sequence[Path]], path: str) -> Sequence[Path]:
    return next((ends[end] for end in _ends_of(PurePosixPath(path).parts) if end in ends), ())


def _chosen(files: Sequence[Path], votes: Mapping[Path, int]) -> Path | None:
    most = max((votes[file.parent] for file in files), default=0)
    best = [file for file in files if votes[file.parent] == most]
    return best[0] if len(best) == 1 else None


def _ends_of(parts: Parts) -> Iterator[Parts]:
    plain = tuple(part.casefold() for part in parts)
    return (plain[start:] for start in range(len(plain)))
