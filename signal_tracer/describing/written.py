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


def sender_in_source(receiver: Any) -> str | None:
    """``"shop.Order"`` of ``@receiver(paid, sender="shop.Order")``; ``None`` if it is no string.

    A ``connect()`` call counts as well, in the receiver's own file or in ``apps.py`` beside it.
    """
    location = describe_receiver(receiver).defined_at
    if location is None:
        return None
    return _written_at(location.file, location.line, location.function.rpartition(".")[2])


@functools.lru_cache(maxsize=200)
def _written_at(file: str, line: int, name: str) -> str | None:
    beside = os.path.join(os.path.dirname(file), "apps.py")
    for path in dict.fromkeys([file, beside]):
        for node in ast.walk(_parsed(path)):
            calls: list[ast.expr] = []
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                # The first line of the compiled function is that of its first decorator.
                first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
                if (path, first, node.name) == (file, line, name):
                    calls = node.decorator_list
            elif isinstance(node, ast.Call) and _connects(node, name):
                calls = [node]
            for call in calls:
                if isinstance(call, ast.Call) and (text := _string_of_sender(call)) is not None:
                    return text
    return None


def _connects(call: ast.Call, name: str) -> bool:
    if not (isinstance(call.func, ast.Attribute) and call.func.attr == "connect" and call.args):
        return False
    given = call.args[0]
    return name == (given.attr if isinstance(given, ast.Attribute) else getattr(given, "id", None))


def _string_of_sender(call: ast.Call) -> str | None:
    given = [each.value for each in call.keywords if each.arg == "sender"]
    for each in (*given, *call.args[1:2]):
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
