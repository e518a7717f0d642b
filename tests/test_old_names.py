"""Whatever names a module or file of the project, in code or prose, names one that exists."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from source_tree import (
    PACKAGES,
    ROOT,
    defined_names,
    imported_names,
    is_generated,
    modules,
    parse,
    python_files,
    tracked,
)

# Texts in which names are looked at; a change log names what was there once.
SUFFIXES = {".py", ".md", ".toml", ".yaml", ".txt", ".Dockerfile", ".proto", ""}
HISTORY = {"CHANGELOG.md", "LICENSE", ".gitignore"}
DOTTED = re.compile(rf"(?<![\w./-])(?:{'|'.join(PACKAGES)})(?:\.[A-Za-z_]\w*)+(?!\w*[/-])")
FILE = re.compile(r"(?<![\w./*}>…-])[\w.-]+(?:/[\w.-]+)*\.(?:py|proto|md|Dockerfile)\b(?![./\w*])")
FOLDER = re.compile(r"(?<![\w./*}>…-])[\w-]+(?:/[\w-]+)*/(?![\w.*<{\[/$…])")
# Names of files, which look like attributes; methods of an object that examples call `codec`.
NO_MODULES = re.compile(
    r".*\.(proto|py|md|yaml|Dockerfile|json|npz|png|toml)|codec\.(de)?compress|service\.(name|x)"
)
# Folders that commands in documents make.
EXAMPLES = ("bundles", "runs", "parts", "report")


@cache
def tails_of_paths() -> tuple[frozenset[str], frozenset[str]]:
    """Every tail of the path of a file and of a folder, as prose may write it."""
    files, folders = set(), set()
    for path in tracked():
        files |= {"/".join(path.parts[i:]) for i in range(len(path.parts))}
        for parent in path.parents:
            folders |= {"/".join(parent.parts[i:]) for i in range(len(parent.parts))}
    return frozenset(files), frozenset(folders)


def exists(name: str) -> bool:
    """Whether a dotted name is a module or something at the top of one."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        module = ".".join(parts[:length])
        if module in modules():
            generated = is_generated(modules()[module])
            return generated or length == len(parts) or parts[length] in defined_names(module)
    return False


def lines(path: Path) -> Iterator[tuple[int, str, bool]]:
    """Number and text of the lines of prose: docstrings, comments and strings of a Python file.

    The flag says that the text is a string but not a docstring, and may be an example.
    """
    text = (ROOT / path).read_text()
    if path.suffix != ".py":
        yield from ((number, line, False) for number, line in enumerate(text.splitlines(), 1))
        return
    plain = (node for node in ast.walk(parse(path)) if isinstance(node, ast.Expr))
    starts = {node.lineno for node in plain if isinstance(node.value, ast.Constant)}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        string = token.type == tokenize.STRING and not token.string.lower().startswith(("f", "rf"))
        if string or token.type == tokenize.COMMENT:
            example = string and token.start[0] not in starts
            for number, line in enumerate(token.string.splitlines(), token.start[0]):
                yield number, line, example


def stale_names(path: Path) -> Iterator[str]:
    files, folders = tails_of_paths()
    for number, line, example in lines(path):
        where = f"{path}:{number}: "
        for name in DOTTED.findall(line):
            if not NO_MODULES.fullmatch(name) and not exists(name):
                yield where + name
        if example:
            continue
        for name in FILE.findall(line):
            plain = name.removeprefix("../").removeprefix("../")
            if plain not in files and name.split("/")[0] not in EXAMPLES:
                yield where + name
        for name in FOLDER.findall(line):
            if Path(name).parts[0] in TOP and name.rstrip("/") not in folders:
                yield where + name


TOP = {path.parts[0] for path in tracked() if len(path.parts) > 1}
TEXTS = [p for p in tracked() if p.suffix in SUFFIXES and p.name not in HISTORY]


def test_every_import_of_the_project_exists() -> None:
    gone = [
        f"{path}:{line} imports {source} {name}"
        for path in python_files()
        for source, name, line in imported_names(path)
        if source.split(".")[0] in PACKAGES
        if source not in modules() or (name and not exists(f"{source}.{name}"))
    ]
    assert not gone, "\n" + "\n".join(gone)


def test_names_of_modules_and_files_in_prose_exist() -> None:
    gone = [line for path in TEXTS if not is_generated(path) for line in stale_names(path)]
    assert not gone, "\n" + "\n".join(gone)


def test_a_name_that_no_longer_exists_is_seen() -> None:
    gone = "gone"
    assert exists("codec.errors")
    assert exists("codec.load_bundle")
    assert not exists(f"codec.{gone}")
    assert not exists(f"codec.errors.{gone}")
    assert DOTTED.findall(f"see `codec.{gone}`, x.codec.y") == [f"codec.{gone}"]
    assert FILE.findall("in `codec/gone.py` and NAME.png") == ["codec/gone.py"]
    assert FOLDER.findall("in [`codec/`](codec) or codec/gone/ only") == ["codec/", "codec/gone/"]
