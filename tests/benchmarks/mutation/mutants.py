"""Mutants of a source file: each with one comparison, operator or constant changed.

Docstrings, annotations, messages of `raise`, strings and decorators stay unchanged, except byte
orders in the format strings of `struct`, which are swapped.
"""

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.FloorDiv,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
}
# Fields whose nodes do not affect the behaviour.
_UNREAD = {"annotation", "returns", "decorator_list", "exc"}


@dataclass(frozen=True, slots=True, eq=False)
class Mutant:
    """One change of a module; `where` is the function, `before` and `after` a line of it.

    It is way `change` of changing node number `number`.
    """

    path: Path
    module: str
    line: int
    where: str
    before: str
    after: str
    source: str
    number: int
    change: int

    @property
    def key(self) -> str:
        """A description that does not change when lines move."""
        return f"{self.path.name} {self.where}: {self.before} -> {self.after}"

    @property
    def tree(self) -> ast.Module:
        """The whole module, changed."""
        tree = ast.parse(self.source)
        places = _places(tree, "module")
        _ways(next(place for i, place in enumerate(places) if i == self.number).node)[self.change]()
        return tree


class _Place(NamedTuple):
    node: ast.AST
    statement: ast.stmt
    where: str


def mutants(path: Path, root: Path) -> Iterator[Mutant]:
    """All mutants of a file of packages in `root`, in the order of its lines."""
    source = path.read_text()
    tree = ast.parse(source)
    module = ".".join(path.relative_to(root).with_suffix("").parts)
    for number, (node, statement, where) in enumerate(_places(tree, "module")):
        before = _line(statement)
        for change, way in enumerate(_ways(node)):
            kept = {k: v[:] if isinstance(v, list) else v for k, v in vars(node).items()}
            way()
            after = _line(statement)
            vars(node).update(kept)
            line = statement.lineno
            yield Mutant(path, module, line, where, before, after, source, number, change)


def _line(statement: ast.stmt) -> str:
    """The statement in one line; the first line of a compound one."""
    if isinstance(statement, ast.FunctionDef):
        return f"def {statement.name}({ast.unparse(statement.args)})"
    head = copy.copy(statement)
    for field in {"body", "orelse", "finalbody", "handlers"} & set(head._fields):
        setattr(head, field, [ast.Pass()] if field == "body" else [])
    return ast.unparse(head).splitlines()[0]


def _places(node: ast.AST, where: str, statement: ast.stmt | None = None) -> Iterator[_Place]:
    """Every node below that may be changed, with its statement and the name of its function."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        where = node.name if where == "module" else f"{where}.{node.name}"
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or field in _UNREAD or _is_text(child):
                continue
            inside = child if isinstance(child, ast.stmt) else statement
            if inside is not None:
                yield _Place(child, inside, where)
            yield from _places(child, where, inside)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    )


def _ways(node: ast.AST) -> list[Callable[[], None]]:
    match node:
        case ast.Compare():
            return [
                lambda i=i, new=new: node.ops.__setitem__(i, new())
                for i, old in enumerate(node.ops)
                for new in COMPARISONS[type(old)]
            ]
        case ast.BinOp() | ast.AugAssign() if type(node.op) in OPERATORS:
            return [lambda: setattr(node, "op", OPERATORS[type(node.op)]())]
        case ast.BoolOp():
            new = ast.Or if isinstance(node.op, ast.And) else ast.And
            return [lambda: setattr(node, "op", new())]
        case ast.UnaryOp(op=ast.Not()):
            # `not not` is `bool`: the negation is gone.
            twice = ast.UnaryOp(ast.Not(), node.operand)
            return [lambda: setattr(node, "operand", ast.fix_missing_locations(_at(twice, node)))]
        case ast.UnaryOp(op=ast.USub()):
            return [lambda: setattr(node, "op", ast.UAdd())]
        case ast.Constant():
            return [lambda v=v: setattr(node, "value", v) for v in _values(node.value)]
    return []


def _at(new: ast.expr, old: ast.expr) -> ast.expr:
    return ast.copy_location(new, old)


def _values(value: object) -> list[object]:
    """Constants that replace a constant."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, (int, float)):
        return [value + 1, value - 1] if value else [value + 1]
    if isinstance(value, bytes):
        return [bytes([value[0] ^ 1]) + value[1:]] if value else [b"?"]
    if isinstance(value, str) and value[:1] in ("<", ">") and value[1:].isalnum():
        return [("<" if value[0] == ">" else ">") + value[1:]]
    return []
