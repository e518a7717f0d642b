"""Writes REFERENCE.md, the page of all public classes and functions; `make reference` runs it."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path

import residuum_client
from residuum_client import AsyncBackend, Backend, ResiduumError

PAGE = Path(__file__).with_name("REFERENCE.md")
TEXT = """\
# Reference of `residuum_client`

<!-- Generated from the docstrings: run `make reference` after a change. -->

{sections}"""
SECTIONS = {
    "Models": ("Client", "AsyncClient", "Offline", "Backend", "AsyncBackend"),
    "Servers": ("Admin", "tls"),
    "Input": ("Image", "EncodeOptions"),
    "Results": ("Compressed", "Restored", "Box", "Score", "Region", "ModelInfo", "Description"),
    "Heat maps": ("draw_heatmap",),
    "Errors": tuple(
        name
        for name in residuum_client.__all__
        if inspect.isclass(getattr(residuum_client, name))
        and issubclass(getattr(residuum_client, name), ResiduumError)
    ),
}
INPUT = """### `Image`

One image: a uint8 array `[H, W]` or `[H, W, C]` with C 1 or 3, the bytes of an image file, or its
path as `str` or `os.PathLike`. Records are `bytes`.

In the signatures on this page, `U8` is a numpy array of uint8, `F32` one of float32, `Elements`
an iterable or asynchronous iterable, `Token` a string or a function that returns one, and `Pairs`
a dictionary or pairs of names and values.
"""
PUBLIC = frozenset(residuum_client.__all__)
LINE = 90
Function = ast.FunctionDef | ast.AsyncFunctionDef


def main() -> None:
    """Writes the page."""
    PAGE.write_text(page(), encoding="utf-8")


def page() -> str:
    """The page, made from the public names of the package."""
    sections = []
    for title, names in SECTIONS.items():
        sections += [f"## {title}\n", *(_entry(name) for name in names)]
    return TEXT.format(sections="\n".join(sections))


def _entry(name: str) -> str:
    if name == "Image":
        return INPUT
    value = getattr(residuum_client, name)
    node = _definition(value)
    if isinstance(node, ast.ClassDef):
        return "\n".join([f"### `{name}`\n", *_class(value, node)])
    return f"### `{name}`\n\n{_signature(node)}\n{_docstring(value)}"


def _definition(value: object) -> ast.ClassDef | Function:
    """The definition of a class or function in its source."""
    source = textwrap.dedent(inspect.getsource(value))  # type: ignore[arg-type]
    node = ast.parse(source).body[0]
    if not isinstance(node, ast.ClassDef | Function):
        raise TypeError(f"{value!r} is defined by {type(node).__name__}, expected a class")
    return node


def _class(value: type, node: ast.ClassDef) -> Iterator[str]:
    if bases := [f"`{base.__name__}`" for base in value.__bases__ if base.__name__ in PUBLIC]:
        yield f"Base class: {', '.join(bases)}\n"
    yield from _constructor(node)
    yield _docstring(value)
    for method in node.body:
        if isinstance(method, Function) and not method.name.startswith("_"):
            yield f"#### `{value.__name__}.{method.name}`\n\n{_signature(method)}"
            yield _docstring(inspect.getattr_static(value, method.name))
    for base in (Backend, AsyncBackend):
        inherited = [name for name in vars(base) if issubclass(value, base)]
        public = [name for name in inherited if name not in vars(value) and name[0] != "_"]
        if public:
            place = base.__name__.lower()
            links = ", ".join(f"[`{name}`](#{place}{name})" for name in public)
            yield f"Inherited from `{base.__name__}`: {links}.\n"


def _constructor(node: ast.ClassDef) -> Iterator[str]:
    """The signature of `__init__`, or the fields of a dataclass or typed dictionary."""
    fields = [member for member in node.body if isinstance(member, ast.AnnAssign)]
    if fields:
        lines = [f"    {ast.unparse(f.target)}: {ast.unparse(f.annotation)}" for f in fields]
        yield _code("\n".join([f"class {node.name}:", *lines]))
    for member in node.body:
        if isinstance(member, Function) and member.name == "__init__":
            yield _code(_wrapped(node.name, _parameters(member.args), ""))


def _signature(node: Function) -> str:
    if any(ast.unparse(decorator) == "property" for decorator in node.decorator_list):
        return _code(
            f"{node.name}: {ast.unparse(node.returns)}  # property" if node.returns else ""
        )
    start = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return _code(_wrapped(f"{start} {node.name}", _parameters(node.args), returns))


def _parameters(arguments: ast.arguments) -> list[str]:
    """The parameters but `self`, each with its type and default."""
    positional = [argument for argument in arguments.args if argument.arg != "self"]
    names = [ast.unparse(argument) for argument in positional]
    if arguments.kwonlyargs:
        names.append("*")
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        names.append(ast.unparse(argument) + (f" = {ast.unparse(default)}" if default else ""))
    if arguments.kwarg:
        names.append(f"**{ast.unparse(arguments.kwarg)}")
    return names


def _wrapped(start: str, parameters: list[str], end: str) -> str:
    """`start(parameters)end` in one line, or with one parameter per line if that is too long."""
    line = f"{start}({', '.join(parameters)}){end}"
    if len(line) <= LINE:
        return line
    return "\n".join([f"{start}(", *(f"    {parameter}," for parameter in parameters), f"){end}"])


def _code(text: str) -> str:
    return f"```py\n{text}\n```\n"


def _docstring(value: object) -> str:
    """The docstring of a class, function or property. Raises ValueError if it has none."""
    text = inspect.getdoc(value)
    if not text:
        raise ValueError(f"{value!r} has no docstring")
    return f"{text}\n"


if __name__ == "__main__":
    main()
