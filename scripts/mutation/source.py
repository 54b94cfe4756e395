"""Mutants of Python source: one operator, number, condition or statement changed at a time."""

import ast
import copy
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["SourceMutant", "mutants_of"]

_COMPARE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_BINARY: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
}


@dataclass(frozen=True)
class SourceMutant:
    """One change to a module.

    Parameters
    ----------
    key : str
        Function, what stood there and what stands there now: the same as long as both are.
    operator : str
        Kind of change.
    line : int
        Where.
    tree : ast.Module
        The module with the change.
    """

    key: str
    operator: str
    line: int
    tree: ast.Module


Change = tuple[str, ast.AST]
"""Kind of change, and what is put in the place of a node."""


def mutants_of(text: str, *, count: int, seed: int) -> list[SourceMutant]:
    """Draw mutants of a module.

    Annotations, docstrings, texts of errors, imports and what is made at import for type checkers
    alone are left alone; the first element does not become the last.

    Parameters
    ----------
    text : str
        Source.
    count : int
        How many; fewer if there are not so many places.
    seed : int
    """
    tree = ast.parse(text)
    places = list(_places(tree))
    # The first ones are the same, however many are asked for.
    random.Random(seed).shuffle(places)
    drawn = [place for place in places if not _wraps(place)]
    return [_mutant(tree, *place) for place in drawn[:count]]


Path = tuple[tuple[str, int | None], ...]
"""From the root to a node: names of fields, and places in those that are lists."""

Place = tuple[Path, int, str, str, int]
"""Where a node is, the number of its change, its kind, its key, and its line."""


def _wraps(place: Place) -> bool:
    """Tell whether an index 0 becomes -1: of what has one element, the language says the same."""
    path, _, _, key, _ = place
    return path[-1:] == (("slice", None),) and ": 0 -> -1" in key


def _places(tree: ast.Module) -> Iterator[Place]:
    seen: dict[str, int] = {}
    for path, node, name in _walk(tree, (), ""):
        for index, (kind, new) in enumerate(_changes(node)):
            key = f"{name}: {_shown(node)} -> {_shown(new)}"
            seen[key] = seen.get(key, 0) + 1
            number = f" #{seen[key]}" if seen[key] > 1 else ""
            yield path, index, kind, key + number, getattr(node, "lineno", 0)


def _walk(node: ast.AST, path: Path, name: str) -> Iterator[tuple[Path, ast.AST, str]]:
    """Go through all nodes that may be changed."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        name = f"{name}.{node.name}" if name else node.name
    yield path, node, name or "module"
    for part, value in ast.iter_fields(node):
        if part in ("annotation", "returns", "decorator_list", "bases", "type_params", "keywords"):
            if part != "keywords" or isinstance(node, ast.ClassDef):
                continue
        children = value if isinstance(value, list) else [value]
        for index, child in enumerate(children):
            if isinstance(child, ast.AST) and not _left_alone(child):
                step = (part, index if isinstance(value, list) else None)
                yield from _walk(child, (*path, step), name)


def _left_alone(node: ast.AST) -> bool:
    if isinstance(node, (ast.Import, ast.ImportFrom, ast.JoinedStr, ast.Raise, ast.Assert)):
        return True
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if isinstance(node, ast.If):
        return "TYPE_CHECKING" in ast.unparse(node.test)
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return any(isinstance(one, ast.Name) and one.id == "__all__" for one in targets)
    return False


def _changes(node: ast.AST) -> list[Change]:
    make = _CHANGES.get(type(node))
    return make(node) if make is not None else []


def _compare(node: ast.Compare) -> list[Change]:
    found: list[Change] = []
    for index, operator in enumerate(node.ops):
        new = copy.deepcopy(node)
        new.ops[index] = _COMPARE[type(operator)]()
        found.append(("comparison", new))
    return found


def _binary(node: ast.BinOp) -> list[Change]:
    other = _BINARY.get(type(node.op))
    return [("arithmetic", ast.BinOp(node.left, other(), node.right))] if other else []


def _augmented(node: ast.AugAssign) -> list[Change]:
    found: list[Change] = [("statement", ast.Pass())]
    other = _BINARY.get(type(node.op))
    if other:
        found.append(("arithmetic", ast.AugAssign(node.target, other(), node.value)))
    return found


def _unary(node: ast.UnaryOp) -> list[Change]:
    if isinstance(node.op, ast.UAdd):
        return []
    return [("condition" if isinstance(node.op, ast.Not) else "arithmetic", node.operand)]


def _boolean(node: ast.BoolOp) -> list[Change]:
    other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    found: list[Change] = [("condition", ast.BoolOp(other, node.values))]
    for index in range(len(node.values)):
        rest = [value for at, value in enumerate(node.values) if at != index]
        found.append(("condition", rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)))
    return found


def _constant(node: ast.Constant) -> list[Change]:
    if isinstance(node.value, bool):
        return [("constant", ast.Constant(not node.value))]
    if isinstance(node.value, int):
        return [("constant", ast.Constant(node.value + step)) for step in (1, -1)]
    return []


def _branch(node: ast.If | ast.IfExp | ast.While) -> list[Change]:
    new = copy.deepcopy(node)
    new.test = ast.UnaryOp(ast.Not(), new.test)
    return [("condition", new)]


def _statement(node: ast.AST) -> list[Change]:
    return [("statement", ast.Pass())]


def _return(node: ast.Return) -> list[Change]:
    nothing = isinstance(node.value, ast.Constant) and node.value.value is None
    return [] if node.value is None or nothing else [("statement", ast.Return(ast.Constant(None)))]


def _assignment(node: ast.Assign) -> list[Change]:
    # A name that is never made is an error where it is read: that says little about the tests.
    if all(isinstance(target, ast.Name) for target in node.targets):
        return []
    return [("statement", ast.Pass())]


def _jump(node: ast.Break | ast.Continue) -> list[Change]:
    return [("statement", ast.Continue() if isinstance(node, ast.Break) else ast.Break())]


_CHANGES: dict[type[ast.AST], Callable[..., list[Change]]] = {
    ast.Compare: _compare,
    ast.BinOp: _binary,
    ast.AugAssign: _augmented,
    ast.UnaryOp: _unary,
    ast.BoolOp: _boolean,
    ast.Constant: _constant,
    ast.If: _branch,
    ast.IfExp: _branch,
    ast.While: _branch,
    ast.Expr: _statement,
    ast.Return: _return,
    ast.Assign: _assignment,
    ast.Break: _jump,
    ast.Continue: _jump,
}


def _shown(node: ast.AST) -> str:
    """Give a node's source in one short line: of a branch, its condition."""
    if isinstance(node, (ast.If, ast.While)):
        return f"if {ast.unparse(node.test)}"
    return " ".join(ast.unparse(node).split())[:100]


def _mutant(
    tree: ast.Module, path: Path, change: int, kind: str, key: str, line: int
) -> SourceMutant:
    """Change a copy of the tree at the end of a path."""
    whole = copy.deepcopy(tree)
    holder: Any = whole
    for part, index in path[:-1]:
        holder = getattr(holder, part)
        holder = holder if index is None else holder[index]
    part, index = path[-1]
    node = getattr(holder, part) if index is None else getattr(holder, part)[index]
    new = ast.copy_location(_changes(node)[change][1], node)
    if index is None:
        setattr(holder, part, new)
    else:
        getattr(holder, part)[index] = new
    return SourceMutant(key, kind, line, ast.fix_missing_locations(whole))
