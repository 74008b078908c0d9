"""Written in the source of a receiver: the sender that it was connected to, a string or a list.

Of what nobody keeps nothing is left but its address. The file is read as text, and only where a
connection's sender cannot be told from what is alive.
"""

from __future__ import annotations

import ast
import functools
import os
import re
import tokenize
from collections.abc import Iterator
from typing import Any, NamedTuple

from django.conf import settings

from signal_tracer.describing.names import describe_receiver

_LARGEST = 1_000_000  # bytes


def sender_in_source(receiver: Any, signal: str) -> str | None:
    """``"shop.Order"`` of ``@receiver(paid, sender="shop.Order")``; ``None`` if it is no string.

    A ``connect()`` call counts as well, in the receiver's own file or in ``apps.py`` beside it;
    and ``settings.AUTH_USER_MODEL``, which is one. ``signal`` is its dotted name. Where the source
    says more than one thing, it says nothing.
    """
    match _written(receiver, signal):
        case ast.Constant(value=str(text)):
            return text
        case ast.Attribute(value=ast.Name(id="settings"), attr=name) if settings.configured:
            live = getattr(settings, name, None)
            return live if type(live) is str else None
    return None


def senders_in_source(receiver: Any, signal: str) -> str | None:
    """``"[Order, Product]"``, if it is connected to a list or tuple in place of one sender."""
    written = _written(receiver, signal)
    return ast.unparse(written) if isinstance(written, ast.List | ast.Tuple) else None


def _written(receiver: Any, signal: str) -> ast.expr | None:
    location = describe_receiver(receiver).defined_at
    name = signal.rpartition(".")[2]
    if location is None or not name.isidentifier():
        return None
    return _written_at(location.file, location.line, location.function.rpartition(".")[2], name)


def _written_at(file: str, line: int, name: str, signal: str) -> ast.expr | None:
    beside = os.path.join(os.path.dirname(file), "apps.py")
    found = {
        each.sender and ast.unparse(each.sender): each.sender
        for path in dict.fromkeys([file, beside])
        for each in _connections_in(path)
        if each.receiver == name
        and signal in each.signals
        and each.line in (None, line if path == file else 0)
    }
    return found.popitem()[1] if len(found) == 1 else None


class _Connection(NamedTuple):
    """By ``@receiver()``, which stands on the ``line`` of the function, or ``connect()``."""

    receiver: str
    line: int | None
    signals: frozenset[str | None]
    sender: ast.expr | None


@functools.lru_cache(maxsize=200)
def _connections_in(file: str) -> tuple[_Connection, ...]:
    tree = _parsed(file)
    lists = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.List | ast.Tuple)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return tuple(
        each._replace(sender=lists.get(getattr(each.sender, "id", ""), each.sender))
        for node in ast.walk(tree)
        for each in _connections_of(node)
    )


def _connections_of(node: ast.AST) -> Iterator[_Connection]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        # The first line of the compiled function is that of its first decorator.
        first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
        for call in node.decorator_list:
            if isinstance(call, ast.Call):
                # Of one signal, or of a list of them.
                names = {_last_name(each) for given in call.args[:1] for each in ast.walk(given)}
                yield _Connection(node.name, first, frozenset(names), _sender_of(call))
    elif isinstance(node, ast.Call) and _is_connect(node):
        receiver = _last_name(node.args[0]) if node.args else None
        if receiver is not None:
            signal = _last_name(node.func.value)  # type: ignore[attr-defined]  # x.connect
            yield _Connection(receiver, None, frozenset([signal]), _sender_of(node))


def _is_connect(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr == "connect"


def _last_name(node: ast.AST) -> str | None:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


def _sender_of(call: ast.Call) -> ast.expr | None:
    given = [each.value for each in call.keywords if each.arg == "sender"]
    return next(iter((*given, *(call.args[1:2] if _is_connect(call) else ()))), None)


def _parsed(file: str) -> ast.Module:
    try:
        if not file.endswith(".py") or os.path.getsize(file) > _LARGEST:
            return ast.Module([], [])
        with tokenize.open(file) as opened:
            return ast.parse(_BACKSLASH.sub(_without_warning, opened.read()), file)
    except (OSError, SyntaxError, ValueError, RecursionError):
        return ast.Module([], [])


# Python warns of an escape that it does not know. To silence it one would have to change the
# filters of the whole process, which has each warning that was shown once be shown again.
_BACKSLASH = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = "\r\n\\'\"abfnrtv01234567xNuU"


def _without_warning(found: re.Match[str]) -> str:
    return found[0] if found[1] in _ESCAPES else f"_{found[1]}"
