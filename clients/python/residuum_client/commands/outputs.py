"""The files that a command writes: what they are called, and how they appear."""

import errno
import os
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath
from typing import TypeVar

from residuum_client.commands.flags import OutputFlags, UsageError
from residuum_client.commands.inputs import IMAGE_SUFFIXES, RECORD_SUFFIXES, Input
from residuum_client.commands.terminal import Terminal

P = TypeVar("P", bound=PurePath)
# What common file systems take for one name.
MAX_NAME_BYTES = 255


def plan(
    inputs: Sequence[Input], out: Path, suffix: str, flags: OutputFlags, terminal: Terminal
) -> dict[Path, Path]:
    """Input paths to output paths below `out`, as `names` calls them.

    Outputs that exist fail, unless the flags say what to do with them. No output replaces an input.
    """
    plans = plan_each(inputs, (out,), suffix, flags, terminal)
    return {path: outputs[out] for path, outputs in plans.items()}


def plan_each(
    inputs: Sequence[Input],
    outs: Sequence[Path],
    suffix: str,
    flags: OutputFlags,
    terminal: Terminal,
) -> dict[Path, dict[Path, Path]]:
    """Like `plan`, for an output in each of these folders: input paths to outputs by folder.

    Inputs of which nothing is left to write are left out; they count as done before once.
    """
    terminal.tally.resumable = True
    sources = {os.path.realpath(entry.path) for entry in inputs}
    plans = {}
    for entry, name in zip(inputs, names(inputs, suffix), strict=True):
        before, outputs = terminal.tally.existing, {}
        for out in outs:
            output = out / name
            if os.path.realpath(output) in sources:
                terminal.fail(entry.path, f"{output} is an input too; choose another folder")
            elif may_write(output, flags, terminal):
                outputs[out] = output
        if outputs:
            plans[entry.path] = outputs
        existing = terminal.tally.existing > before and not outputs
        terminal.tally.existing = before + existing
    return plans


def may_write(output: Path, flags: OutputFlags, terminal: Terminal) -> bool:
    """Whether to write a file. One that exists is skipped, fails, or is replaced."""
    if flags.force or not os.path.lexists(output):
        return True
    if flags.resume and output.is_file():
        terminal.tally.existing += 1
    else:
        terminal.fail(output, "exists already; --resume skips it, --force overwrites it")
    return False


def names(inputs: Sequence[Input], suffix: str) -> list[PurePath]:
    """Distinct relative paths of the outputs.

    NAME.png becomes NAME plus `suffix`, in the folders of `relative_names`. Files whose names are
    then equal, as with x.png and x.jpg, keep their own suffixes too. If that is not enough, as with
    x.png and X.png, they are numbered. Names count as equal if a file system may take them as one.
    """
    wanted = relative_names(inputs)
    folders = {name_key(folder) for name in wanted for folder in name.parents}
    chosen = [with_suffix(name, suffix) for name in wanted]
    while True:
        counts = Counter(map(name_key, chosen))
        equal = [
            place
            for place, name in enumerate(chosen)
            if counts[name_key(name)] > 1 or name_key(name) in folders
        ]
        longer = {place: appended(wanted[place], suffix) for place in equal}
        if all(chosen[place] == name for place, name in longer.items()):
            return [free_name([name], folders) for name in chosen]
        for place, name in longer.items():
            chosen[place] = name


def relative_names(inputs: Sequence[Input]) -> list[PurePath]:
    """The paths relative to the arguments, or all of them below their common parent.

    The latter if fewer are equal then: x.png in each of two arguments keeps the folders' names.
    """
    if not inputs:
        return []
    short = [entry.name for entry in inputs]
    paths = [PurePath(os.path.normpath(entry.path.absolute())) for entry in inputs]
    common = os.path.commonpath([path.parent for path in paths])
    whole = [path.relative_to(common) for path in paths]
    return short if _distinct(short) >= _distinct(whole) else whole


def with_suffix(name: P, suffix: str) -> P:
    """The name with its suffix replaced if that is one of images or records, else appended."""
    known = name.suffix.lower() in IMAGE_SUFFIXES | RECORD_SUFFIXES
    return name.with_name(_fitting(name.stem, suffix)) if known else appended(name, suffix)


def appended(name: P, suffix: str) -> P:
    """The name with a suffix after its own."""
    return name.with_name(_fitting(name.name, suffix))


def write(path: Path, data: bytes, terminal: Terminal) -> bool:
    """Writes a file and its folders. If that fails, no part of the file is left."""
    # Short for any name, and different for two processes in one folder.
    label = zlib.crc32(os.fsencode(path.name))
    temporary = path.with_name(f".{label:08x}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(data)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        terminal.fail(path, f"cannot be written: {error.strerror or error}")
        return False
    return True


def check_folder(path: Path, option: str) -> None:
    """Checks before any work that files can be written to a folder, which need not exist yet.

    Raises UsageError.
    """
    found = next(place for place in (path, *path.absolute().parents) if os.path.lexists(place))
    if not found.is_dir():
        place = "" if found == path else f": {found}"
        kind = "a file" if found.exists() else "a broken link"
        raise UsageError(f"{option} {path}{place} is {kind}; expected a folder")
    if not os.access(found, os.W_OK | os.X_OK):
        raise UsageError(f"{option} {path} cannot be written: {os.strerror(errno.EACCES)}")


def free_name(candidates: Iterable[P], taken: set[str]) -> P:
    """The first name whose key is not taken, else the last one with a number; then it is taken."""
    for name in candidates:
        if name_key(name) not in taken:
            break
    free, number = name, 1
    while name_key(free) in taken:
        number += 1
        free = name.with_name(_fitting(name.stem, f".{number}{name.suffix}"))
    taken.add(name_key(free))
    return free


def name_key(name: PurePath | str) -> str:
    """Equal for names that some file system takes as one: of other case, or composed accents."""
    composed = unicodedata.normalize("NFC", str(name))
    return unicodedata.normalize("NFC", composed.casefold())


def _distinct(paths: Iterable[PurePath]) -> int:
    """How many paths differ, apart from their suffixes."""
    return len({name_key(str(path).removesuffix(path.suffix)) for path in paths})


def _fitting(stem: str, suffix: str) -> str:
    """Both together, with the stem cut to what a file system takes."""
    while len(os.fsencode(stem + suffix)) > MAX_NAME_BYTES:
        stem = stem[:-1]
    return stem + suffix
