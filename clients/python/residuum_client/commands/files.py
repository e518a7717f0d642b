"""What a command reads, what its outputs are called, and how they are written."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from residuum_client.commands.source import UsageError

IMAGE_SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".webp", ".avif", ".bmp", ".gif", ".tif", ".tiff")
)
RECORD_SUFFIXES = frozenset((".rsd",))
Fail = Callable[[PurePath, str], None]


@dataclass(frozen=True, slots=True)
class Input:
    """A file, and its path relative to the argument that it was found by."""

    path: Path
    name: PurePath


def find(arguments: Sequence[Path], suffixes: frozenset[str], fail: Fail) -> list[Input]:
    """The files among the arguments, and those of the given suffixes in folders, at any depth.

    A file is taken once, hidden ones in folders never; what does not exist, or holds nothing,
    fails. Raises UsageError if there are no arguments.
    """
    if not arguments:
        raise UsageError("no file or folder was given")
    found: dict[Path, Input] = {}
    for argument in arguments:
        for entry in _expanded(argument, suffixes, fail):
            found.setdefault(entry.path.resolve(), entry)
    return list(found.values())


def plan(
    inputs: Sequence[Input], out: Path, suffix: str, *, force: bool, fail: Fail
) -> dict[Path, Path]:
    """Input paths to output paths below `out`; outputs that exist fail unless `force`.

    NAME.png becomes NAME plus `suffix`, below the folders between it and the argument. Should two
    names be the same, all files keep the folders below their common one; should that not help
    either (x.png beside x.jpg), they keep their own suffixes too.
    """
    outputs = {}
    for entry, name in zip(inputs, names(inputs, suffix), strict=True):
        output = out / name
        if output.resolve() == entry.path.resolve():
            fail(entry.path, "would be overwritten by its own output; choose another folder")
        elif os.path.lexists(output) and not force:
            fail(output, "exists already; --force overwrites it")
        else:
            outputs[entry.path] = output
    return outputs


def names(inputs: Sequence[Input], suffix: str) -> list[PurePath]:
    """Distinct relative output paths; `plan` says how they are chosen."""
    if not inputs:
        return []
    paths = [entry.path.resolve() for entry in inputs]
    common = os.path.commonpath([path.parent for path in paths])
    whole = [path.relative_to(common) for path in paths]
    short: list[PurePath] = [entry.name.with_suffix(suffix) for entry in inputs]
    longer: list[PurePath] = [name.with_suffix(suffix) for name in whole]
    longest: list[PurePath] = [name.with_name(name.name + suffix) for name in whole]
    return next((c for c in (short, longer) if len(set(c)) == len(c)), longest)


def write(path: Path, data: bytes, fail: Fail) -> bool:
    """Writes the whole file, making folders as needed, or fails and leaves nothing."""
    temporary = path.with_name(f".{path.name[:64]}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(data)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        fail(path, f"cannot be written: {error.strerror or error}")
        return False
    return True


def make_folder(path: Path, option: str) -> None:
    """Makes the output folder before any work is done for it. Raises UsageError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{option} {path} cannot be made: {error.strerror}") from error


def _expanded(argument: Path, suffixes: frozenset[str], fail: Fail) -> Iterator[Input]:
    if argument.is_dir():
        files = [Input(path, path.relative_to(argument)) for path in _walk(argument, suffixes)]
        if not files:
            fail(argument, f"the folder holds no file that ends in {' '.join(sorted(suffixes))}")
        yield from files
    elif argument.exists():
        yield Input(argument, PurePath(argument.name))
    else:
        fail(argument, "no such file or folder")


def _walk(folder: Path, suffixes: frozenset[str]) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and PurePath(name).suffix.lower() in suffixes:
                yield Path(root, name)
