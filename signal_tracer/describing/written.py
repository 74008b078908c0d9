"""Written in the source of a receiver: the sender that it was connected to by a string.

Of a string that nobody keeps nothing is left but its address. The file is read as text, and only
where a connection's sender cannot be told from what is alive.
"""

from __future__ import annotations

import ast
import functools
import os
import tokenize
import warnings
from typing import Any

from signal_tracer.describing.names import describe_receiver

_LARGEST = 1_000_000  # bytes


def sender_in_source(receiver: Any, signal: str) -> str | None:
    """``"shop.Order"`` of ``@receiver(paid, sender="shop.Order")``; ``None`` if it is no string.

    A ``connect()`` call counts as well, in the receiver's own file or in ``apps.py`` beside it.
    ``signal`` is its dotted name. Where the source says more than one thing, it says nothing.
    """
    location = describe_receiver(receiver).defined_at
    name = signal.rpartition(".")[2]
    if location is None or not name.isidentifier():
        return None
    return _written_at(location.file, location.line, location.function.rpartition(".")[2], name)


@functools.lru_cache(maxsize=200)
def _written_at(file: str, line: int, name: str, signal: str) -> str | None:
    beside = os.path.join(os.path.dirname(file), "apps.py")
    found: set[str | None] = set()
    for path in dict.fromkeys([file, beside]):
        for node in ast.walk(_parsed(path)):
            calls: list[ast.expr] = []
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                # The first line of the compiled function is that of its first decorator.
                first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
                if (path, first, node.name) == (file, line, name):
                    calls = [each for each in node.decorator_list if _is_about(each, signal)]
            elif isinstance(node, ast.Call) and _connects(node, name, signal):
                calls = [node]
            found |= {_string_of_sender(each) for each in calls if isinstance(each, ast.Call)}
    return found.pop() if len(found) == 1 else None


def _is_about(decorator: ast.expr, signal: str) -> bool:
    """Whether it is ``@receiver(signal)``, or of a list that has it."""
    return isinstance(decorator, ast.Call) and any(
        _last_name(each) == signal for given in decorator.args[:1] for each in ast.walk(given)
    )


def _connects(call: ast.Call, receiver: str, signal: str) -> bool:
    return (
        isinstance(call.func, ast.Attribute)
        and call.func.attr == "connect"
        and _last_name(call.func.value) == signal
        and any(_last_name(each) == receiver for each in call.args[:1])
    )


def _last_name(node: ast.AST) -> str | None:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


def _string_of_sender(call: ast.Call) -> str | None:
    given = [each.value for each in call.keywords if each.arg == "sender"]
    is_connect = isinstance(call.func, ast.Attribute) and call.func.attr == "connect"
    for each in (*given, *(call.args[1:2] if is_connect else ())):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            return each.value
    return None


def _parsed(file: str) -> ast.AST:
    try:
        if not file.endswith(".py") or os.path.getsize(file) > _LARGEST:
            return ast.Module([], [])
        with tokenize.open(file) as opened, warnings.catch_warnings():
            # Python says when it compiles the file what it thinks of it.
            warnings.simplefilter("ignore")
            return ast.parse(opened.read(), file)
    except (OSError, SyntaxError, ValueError, RecursionError):
        return ast.Module([], [])
