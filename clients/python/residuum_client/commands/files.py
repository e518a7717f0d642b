"""Files of a command: which to read, how they reach the model, how outputs are written."""

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TypeVar, cast

from residuum_client.commands.flags import UsageError
from residuum_client.errors import InvalidInput, RecordError
from residuum_client.packing import Batch, Packing, packed

IMAGE_SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".webp", ".avif", ".bmp", ".gif", ".tif", ".tiff")
)
RECORD_SUFFIXES = frozenset((".rsd",))
# Files of one call to the model.
BATCH_FILES = 32
BATCH_BYTES = 64 << 20

R = TypeVar("R")
C = TypeVar("C", bound="Content")
Call = Callable[[list[bytes]], list[R]]
# Reports that one file failed, and why.
Fail = Callable[[PurePath, str], None]


@dataclass(frozen=True, slots=True)
class Input:
    """A file, and its path relative to the argument that led to it."""

    path: Path
    name: PurePath


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of a file."""

    path: Path
    data: bytes


def find(arguments: Sequence[Path], suffixes: frozenset[str], fail: Fail) -> list[Input]:
    """The files among the arguments, and the files of the given suffixes in folders, at any depth.

    Every file appears once; hidden files in folders are left out. Arguments that do not exist and
    folders without a file fail. Raises UsageError without arguments.
    """
    if not arguments:
        raise UsageError("no file or folder was given")
    found: dict[Path, Input] = {}
    for argument in arguments:
        for entry in _expanded(argument, suffixes, fail):
            found.setdefault(entry.path.resolve(), entry)
    return list(found.values())


def run_on_files(paths: Sequence[Path], call: Call[R], fail: Fail) -> Iterator[tuple[Content, R]]:
    """Each file with its result, in order; bad files fail one by one.

    Raises ResiduumError if the fault is not in a single file.
    """
    for batch in batches(_contents(paths, fail)):
        yield from run_on_batch(batch.items, call, fail)


def batches(contents: Iterable[C]) -> Iterator[Batch[C]]:
    """Consecutive files for one call each."""
    packing = Packing(
        lambda content, _: cast("C", content),
        weigh=lambda content: len(content.data),
        max_weight=BATCH_BYTES,
        max_items=BATCH_FILES,
    )
    return packed(packing, contents)


def run_on_batch(batch: Sequence[C], call: Call[R], fail: Fail) -> Iterator[tuple[C, R]]:
    """Each file of a batch with its result.

    The model rejects a whole batch because of one file: it fails, and the others are tried again.
    Raises ResiduumError if the fault is not in a single file.
    """
    left = list(batch)
    while left:
        try:
            results = call([content.data for content in left])
        except (InvalidInput, RecordError) as error:
            if error.index is None:
                raise
            fail(left.pop(error.index).path, error.reason)
        else:
            yield from zip(left, results, strict=True)
            return


def plan(
    inputs: Sequence[Input], out: Path, suffix: str, *, force: bool, fail: Fail
) -> dict[Path, Path]:
    """Input paths to output paths below `out`; outputs that exist fail unless `force`.

    NAME.png becomes NAME plus `suffix`, in the same folders as below the argument. If two names
    are equal, all files keep the folders below their common parent. If names are still equal, as
    with x.png and x.jpg, they keep their own suffixes too.
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
    """Distinct relative paths of the outputs, as described at `plan`."""
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
    """Writes a file and its folders. If that fails, no part of the file is left."""
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


def check_folder(path: Path, option: str) -> None:
    """Checks before any work that files can be written to a folder, which need not exist yet.

    Raises UsageError.
    """
    found = next(place for place in (path, *path.absolute().parents) if os.path.lexists(place))
    if not found.is_dir():
        place = "" if found == path else f": {found}"
        raise UsageError(f"{option} {path}{place} is a file; expected a folder")
    if not os.access(found, os.W_OK | os.X_OK):
        raise UsageError(f"{option} {path} cannot be written: {os.strerror(errno.EACCES)}")


def _expanded(argument: Path, suffixes: frozenset[str], fail: Fail) -> Iterator[Input]:
    if argument.is_dir():
        files = [Input(path, path.relative_to(argument)) for path in _walk(argument, suffixes)]
        if not files:
            fail(argument, f"the folder has no file that ends in {' '.join(sorted(suffixes))}")
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


def _contents(paths: Sequence[Path], fail: Fail) -> Iterator[Content]:
    for path in paths:
        try:
            yield Content(path, path.read_bytes())
        except OSError as error:
            fail(path, f"cannot be read: {error.strerror or error}")
