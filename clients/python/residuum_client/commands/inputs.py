"""The files that a command reads: which they are, and what they hold."""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from residuum_client.commands.flags import UsageError
from residuum_client.commands.terminal import Terminal
from residuum_client.errors import InvalidInput, ResiduumError
from residuum_client.image_folder import walk
from residuum_client.image_reader import SUFFIXES
from residuum_client.inputs import SPECIAL_FILES

IMAGE_SUFFIXES = frozenset(SUFFIXES)
RECORD_SUFFIXES = frozenset((".rsd",))
# More than any image or record that a model takes.
MAX_FILE_BYTES = 1 << 29


@dataclass(frozen=True, slots=True)
class Input:
    """A file, and its path relative to the argument that led to it."""

    path: Path
    name: PurePath


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of a file, or why they cannot be read."""

    path: Path
    data: bytes
    error: ResiduumError | None = None


def find(
    arguments: Sequence[Path],
    suffixes: frozenset[str],
    terminal: Terminal,
    *outs: Path,
) -> list[Input]:
    """The files among the arguments, and the files of the given suffixes in folders, at any depth.

    Paths are as given: links are followed, never resolved, and only the same path given twice is
    taken once. What is skipped in folders is counted. Files in `outs`, the folders for outputs,
    that are found from a folder around them are outputs of an earlier run and left out. Arguments
    that do not exist, or are neither a file nor a folder, and folders without a file fail. Raises
    UsageError without arguments.
    """
    if not arguments:
        raise UsageError("no file or folder was given")
    found: dict[tuple[str, str], Input] = {}
    for argument in {_place(argument): argument for argument in arguments}.values():
        outputs = [out for out in outs if not is_below(argument, out)]
        for entry in _expanded(argument, suffixes, terminal):
            if not any(is_below(entry.path, out) for out in outputs):
                found.setdefault(_place(entry.path), entry)
    return list(found.values())


def read(path: Path) -> Content:
    """The content of a file."""
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            error = InvalidInput(f"has {size} bytes; expected at most {MAX_FILE_BYTES}")
            return Content(path, b"", error)
        return Content(path, path.read_bytes())
    except OSError as error:
        return Content(path, b"", InvalidInput(f"cannot be read: {error.strerror or error}"))


def is_record(path: PurePath) -> bool:
    """Whether a file is a record, by its suffix."""
    return path.suffix.lower() in RECORD_SUFFIXES


def _place(path: Path) -> tuple[str, str]:
    """Equal for the same path: if `link` leads elsewhere, `link/../x.png` is not `x.png`."""
    return os.path.normpath(path.absolute()), os.path.realpath(path)


def is_below(path: Path, folder: Path) -> bool:
    """Whether a path is a folder or leads into it, links followed."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _expanded(argument: Path, suffixes: frozenset[str], terminal: Terminal) -> Iterator[Input]:
    try:
        mode = argument.stat().st_mode
    except (OSError, ValueError) as error:
        terminal.fail(argument, _reason(argument, error))
        return
    if stat.S_ISREG(mode):
        yield Input(argument, PurePath(argument.name))
    elif stat.S_ISDIR(mode):
        yield from _files_below(argument, suffixes, terminal)
    else:
        kind = SPECIAL_FILES.get(stat.S_IFMT(mode), "a special file")
        terminal.fail(argument, f"is {kind}; expected a file or a folder")


def _files_below(folder: Path, suffixes: frozenset[str], terminal: Terminal) -> Iterator[Input]:
    try:
        walked = walk(folder, suffixes)
    except OSError as error:
        terminal.fail(folder, _reason(folder, error))
        return
    terminal.tally.skipped.update(walked.skipped)
    if not walked.files:
        ends = " ".join(sorted(suffixes))
        terminal.fail(folder, f"the folder has no file that ends in {ends}")
    for path in walked.files:
        yield Input(path, path.relative_to(folder))


def _reason(path: Path, error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return "is a broken link" if path.is_symlink() else "no such file or folder"
    return f"cannot be read: {getattr(error, 'strerror', None) or error}"
