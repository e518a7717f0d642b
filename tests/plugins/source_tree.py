"""The files of the project and what they import, for the tests that look at the whole tree."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CLIENT = ROOT / "clients" / "python"
PACKAGES = ("codec", "training", "exporter", "protos", "service", "residuum_client")
# Modules with the entry points of commands, outside of the packages.
ENTRY_POINTS = ("residuum_command", "residuum_launch")


@cache
def tracked() -> tuple[Path, ...]:
    """Files that git tracks or would track, relative to the root."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    paths = sorted({Path(line) for line in listed.stdout.splitlines()})
    return tuple(path for path in paths if (ROOT / path).is_file())


def is_generated(path: Path) -> bool:
    return "_pb2" in path.name


def python_files() -> list[Path]:
    """Every Python file but generated ones, relative to the root."""
    return [path for path in tracked() if path.suffix == ".py" and not is_generated(path)]


@cache
def modules() -> dict[str, Path]:
    """Path of every module of the packages by its name, a package's own name for `__init__`."""
    found = {}
    for path in tracked():
        in_client = path.parts[:2] == ("clients", "python")
        inside = path.relative_to("clients/python") if in_client else path
        if path.suffix == ".py" and Path(inside.parts[0]).stem in (*PACKAGES, *ENTRY_POINTS):
            found[".".join(inside.with_suffix("").parts).removesuffix(".__init__")] = path
    return found


def written_modules() -> dict[str, Path]:
    """The modules that are not generated."""
    return {name: path for name, path in modules().items() if not is_generated(path)}


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(), str(path))


def imported_names(path: Path) -> Iterator[tuple[str, str, int]]:
    """(module, name, line) of each import wherever it is in a file; no name for `import module`."""
    package = module_of(path).split(".")[: None if path.name == "__init__.py" else -1]
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "", node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else []
            source = ".".join([*above, *filter(None, [node.module])])
            yield from ((source, alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.Call) and called_name(node) in IMPORTERS:
            for argument in node.args[:1]:
                name = argument.value if isinstance(argument, ast.Constant) else "?"
                yield str(name), "", node.lineno


IMPORTERS = ("import_module", "__import__")


def called_name(call: ast.Call) -> str:
    """The last part of the name of what is called."""
    return getattr(call.func, "attr", None) or getattr(call.func, "id", "")


@cache
def module_of(path: Path) -> str:
    """Name of a module of the packages; empty for a file outside of them."""
    return next((name for name, own in modules().items() if own == path), "")


@cache
def imports(path: Path) -> frozenset[str]:
    """Full names of the modules that a file imports: `a.b` for `from a import b` if b is one."""
    pairs = ((source, f"{source}.{name}") for source, name, _ in imported_names(path))
    return frozenset(full if full in modules() else source for source, full in pairs)


@cache
def defined_names(module: str) -> frozenset[str]:
    """Names that exist at the top of a module: definitions, assignments, imports, submodules."""
    names = {name.rpartition(".")[2] for name in modules() if name.rpartition(".")[0] == module}
    for node in _top_level(parse(modules()[module]).body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        else:
            names |= {leaf.id for leaf in ast.walk(node) if _is_stored(leaf)}
    return frozenset(names)


def _top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module, also those inside `if`, `try` and `with`."""
    for node in body:
        yield node
        for inner in ("body", "orelse", "handlers", "finalbody"):
            if isinstance(node, ast.If | ast.Try | ast.With | ast.ExceptHandler):
                yield from _top_level(getattr(node, inner, []))


def _is_stored(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
