"""Folders, files and functions that can be read in one sitting, and faces without logic."""

import ast
import statistics
from collections import Counter
from pathlib import Path

import pytest
from source_tree import ROOT, is_generated, parse, python_files, tracked, written_modules

MAX_MODULES = 16
MAX_LINES = 250
MAX_MEDIAN = 110
MAX_FUNCTION = 40


def line_counts(paths: list[Path]) -> dict[str, int]:
    return {str(path): len((ROOT / path).read_text().splitlines()) for path in paths}


def test_no_folder_has_more_than_16_modules() -> None:
    written = [path for path in python_files() if path.name != "__init__.py"]
    counts = Counter(str(path.parent) for path in written)
    assert {folder: n for folder, n in counts.items() if n > MAX_MODULES} == {}


def test_no_source_file_is_longer_than_250_lines() -> None:
    counts = line_counts(list(written_modules().values()))
    assert {path: n for path, n in counts.items() if n > MAX_LINES} == {}


def test_half_of_the_source_files_are_shorter_than_110_lines() -> None:
    counts = line_counts(list(written_modules().values()))
    assert statistics.median(counts.values()) < MAX_MEDIAN


def test_no_function_is_longer_than_40_lines() -> None:
    long = {}
    for path in written_modules().values():
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = node.end_lineno - node.lineno + 1
                if lines > MAX_FUNCTION:
                    long[f"{path}:{node.lineno} {node.name}"] = lines
    assert long == {}


FACES = [path for path in tracked() if path.name == "__init__.py" and path.parts[0] != "tests"]


@pytest.mark.parametrize("path", FACES, ids=str)
def test_a_face_has_a_docstring_and_exports_and_no_logic(path: Path) -> None:
    tree = parse(path)
    assert ast.get_docstring(tree), "says nothing about what is in the folder"
    assert any(_is_all(node) for node in tree.body), "has no __all__"
    logic = [ast.unparse(node) for node in tree.body[1:] if not _is_face(node)]
    assert logic == []


def _is_all(node: ast.stmt) -> bool:
    if isinstance(node, ast.AnnAssign):
        return ast.unparse(node.target) == "__all__"
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"


def _is_face(node: ast.stmt) -> bool:
    if isinstance(node, ast.ImportFrom):
        return all(alias.name != "*" for alias in node.names)
    return _is_all(node)


def test_every_folder_of_the_packages_is_a_package() -> None:
    outside = {Path(), Path("clients/python")}
    folders = {path.parent for path in written_modules().values()} - outside
    generated = {path.parent for path in tracked() if is_generated(path)}
    known = {path.parent for path in FACES}
    assert sorted(str(folder) for folder in folders - known - generated) == []
