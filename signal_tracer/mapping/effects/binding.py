"""Names that a function binds, and when: what its inner functions find is what is bound last."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from signal_tracer.mapping.written import Function

_LOOPS = (ast.For, ast.AsyncFor, ast.While)


def bound_after(inner: Function | ast.Lambda, outer: Function | ast.Lambda) -> set[str]:
    """The names of ``outer`` that may stand for something else once ``inner`` is made.

    Those that are bound below it, in a loop around it those that are bound more than once, and
    those that any function inside binds.
    """
    end = _place(inner)[1]
    bound = list(_bound_in(outer))
    found = {name for name, node in bound if node is not inner and _place(node)[0] >= end}
    found |= bound_inside(outer)
    for loop in ast.walk(outer):
        if isinstance(loop, _LOOPS) and any(each is inner for each in ast.walk(loop)):
            names = [name for name, _ in _bound_in(loop)]
            found |= {name for name in names if names.count(name) > 1}
    return found


def bound_inside(outer: ast.AST) -> set[str]:
    """The names that functions inside it say ``nonlocal`` of."""
    said = [each for each in ast.walk(outer) if isinstance(each, ast.Nonlocal)]
    return {name for each in said for name in each.names}


def how_often_bound(name: str, outer: Function | ast.Lambda) -> int:
    """By its own statements: what is bound once cannot be anything else when it is called."""
    return sum(each == name for each, _ in _bound_in(outer))


def rebound_in(statements: Sequence[ast.stmt]) -> set[str]:
    """The names that these bind more than once."""
    names = [name for name, _ in _bound_in(ast.Module([*statements], []))]
    return {name for name in names if names.count(name) > 1}


def _place(node: ast.AST) -> tuple[tuple[int, int], tuple[int, int]]:
    begin = getattr(node, "lineno", 0), getattr(node, "col_offset", 0)
    return begin, (getattr(node, "end_lineno", 0), getattr(node, "end_col_offset", 0))


def _bound_in(outer: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """What its own statements bind."""
    for node in ast.iter_child_nodes(outer):
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                yield name, node
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
            ):
                yield name, node
                continue
            case ast.Lambda():
                continue
            case ast.comprehension():
                # Its own target is of the comprehension alone.
                yield from _bound_in(ast.Expr(node.iter))
                for test in node.ifs:
                    yield from _bound_in(ast.Expr(test))
                continue
            case ast.Import() | ast.ImportFrom():
                for alias in node.names:
                    yield (alias.asname or alias.name).partition(".")[0], node
            case ast.ExceptHandler(name=str() as name) | ast.MatchAs(name=str() as name):
                yield name, node
            case ast.MatchStar(name=str() as name) | ast.MatchMapping(rest=str() as name):
                yield name, node
        yield from _bound_in(node)
