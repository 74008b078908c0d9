"""Connections as they stand in source files, read as text and never by importing them."""

from __future__ import annotations

import ast
import os
import re
import tokenize
import warnings
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

# What surrounds a piece of code, from the outside in: a node, and which of its parts it is in.
Around: TypeAlias = "tuple[tuple[ast.AST, str], ...]"
Function: TypeAlias = "ast.FunctionDef | ast.AsyncFunctionDef"

_MAY_CONNECT = re.compile(r"receiver|\.\s*connect\b")
_MAY_SEND = re.compile(r"\.\s*a?send(_robust)?\s*\(")
_SENDING = frozenset(("send", "send_robust", "asend", "asend_robust"))
_MOST_FILES = 5_000
# What is not there to be imported by a server: tests connect what they need themselves, and
# migrations are run by name.
NOT_FOR_SERVERS = frozenset(("tests", "test", "testing", "migrations"))
_OF_TESTS = re.compile(r"(test_.*|.*_tests?|tests?|conftest|factories)\.py")
_NO_CODE = frozenset(("__pycache__", "node_modules", "static", "templates", "locale"))


@dataclass(frozen=True, slots=True)
class Written:
    """One ``@receiver(...)`` or ``.connect(...)``, with what it was given, as it stands there.

    ``receiver`` is the decorated ``def`` or ``class``, or the expression that is connected;
    ``taken_by`` says how a decorator connects it: ``"connect"`` leaves ``None`` in its place.
    """

    node: ast.expr
    signal: ast.expr
    receiver: ast.AST
    sender: ast.expr | None
    uid: ast.expr | None
    weak: ast.expr | None
    around: Around
    taken_by: Literal["receiver", "connect"] | None = None

    @property
    def is_weak(self) -> bool:
        return not (isinstance(self.weak, ast.Constant) and self.weak.value is False)

    @property
    def line(self) -> int:
        return self.node.lineno


@dataclass(slots=True)
class Source:
    """A file of the project: its module's name, its text, and what is read of it when asked."""

    file: str
    module: str
    text: str
    _tree: ast.Module | None = field(default=None, repr=False)
    _is_parsed: bool = False
    _bound: dict[str, str] | None = None
    _written: list[Written] | None = None

    @property
    def tree(self) -> ast.Module | None:
        """The source parsed; ``None`` where Python could not."""
        if not self._is_parsed:
            self._is_parsed = True
            try:
                with warnings.catch_warnings():
                    # Python says when it compiles the file what it thinks of it.
                    warnings.simplefilter("ignore")
                    self._tree = ast.parse(self.text, self.file)
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                self._tree = None
        return self._tree

    def let_go(self) -> None:
        """Forget the tree, which takes a hundred times the room of the text, if none is needed."""
        if not self._written:
            self._tree, self._is_parsed = None, False

    @property
    def is_package(self) -> bool:
        return os.path.basename(self.file) == "__init__.py"

    @property
    def bound(self) -> dict[str, str]:
        """What each imported name stands for, in full: ``{"Order": "shop.models.Order"}``."""
        if self._bound is None:
            self._bound = dict(_bindings(self))
        return self._bound

    @property
    def written(self) -> list[Written]:
        """Every connection that stands in it."""
        if self._written is None:
            may = _MAY_CONNECT.search(self.text) is not None
            tree = self.tree if may else None
            self._written = [] if tree is None else list(_connections_in(tree, ()))
        return self._written

    def calls(self, named: re.Pattern[str]) -> Iterator[tuple[ast.Call, Around]]:
        """The calls on lines that the pattern is found on, with the statements around them."""
        lines = [self.text.count("\n", 0, found.start()) + 1 for found in named.finditer(self.text)]
        if lines and self.tree is not None:
            for statement, around in _statements(self.tree, (), lines):
                for call in _calls_of(statement):
                    yield call, around

    def sends(self) -> Iterator[tuple[ast.expr, frozenset[str] | None, int]]:
        """Each ``send()``: the signal, the keyword arguments by name, if all have one, the line."""
        if _MAY_SEND.search(self.text) is None or self.tree is None:
            return
        for node in ast.walk(self.tree):
            match node:
                case ast.Call(func=ast.Attribute(value=signal, attr=method)) if method in _SENDING:
                    names = {each.arg for each in node.keywords}
                    known = frozenset(name for name in names if name is not None)
                    yield signal, None if None in names else known, node.lineno

    def dotted(self, node: ast.AST | None) -> str | None:
        """``shop.signals.paid`` for ``signals.paid``, where ``signals`` was imported so."""
        if isinstance(node, ast.Name):
            return self.bound.get(node.id, f"{self.module}.{node.id}")
        if isinstance(node, ast.Attribute):
            owner = self.dotted(node.value)
            return None if owner is None else f"{owner}.{node.attr}"
        return None

    def imported(self) -> Iterator[tuple[str, ast.stmt, Around]]:
        """Each module (or perhaps attribute of one) that it imports, and where it stands."""
        if self.tree is not None:
            for node, around in _statements(self.tree, ()):
                for name in _imported_by(node, self):
                    yield name, node, around


# Files

# For each file, and the name that it goes by as a module: when it was changed, and what it says.
_known: dict[tuple[str, str], tuple[tuple[int, int], Source]] = {}


def read_source(file: str, module: str) -> Source | None:
    """The file, read anew only if it has changed. ``None`` if it cannot be read."""
    try:
        state = os.stat(file)
        stamp = (state.st_mtime_ns, state.st_size)
        known = _known.get((file, module))
        if known is not None and known[0] == stamp:
            return known[1]
        with open(file, "rb") as opened:
            encoding, _ = tokenize.detect_encoding(opened.readline)
            opened.seek(0)
            text = opened.read().decode(encoding, "replace")
    except (OSError, SyntaxError, LookupError):
        return None
    source = Source(file, module, text)
    _known[file, module] = (stamp, source)
    return source


def sources_in(folder: str, module: str, *, leave_out: Iterable[str] = ()) -> Iterator[Source]:
    """The modules of a package that a server may import, without the folders ``leave_out``."""
    left_out = set(leave_out)
    count = 0
    for where, folders, files in os.walk(folder):
        inside = os.path.relpath(where, folder)
        parts = [] if inside == os.curdir else inside.split(os.sep)
        folders[:] = sorted(
            each
            for each in folders
            if each.isidentifier()
            and each not in NOT_FOR_SERVERS | _NO_CODE
            and os.path.join(where, each) not in left_out
        )
        for name in sorted(files):
            stem = name.removesuffix(".py")
            if stem == name or not stem.isidentifier() or _OF_TESTS.fullmatch(name):
                continue
            count += 1
            if count > _MOST_FILES:
                return
            last = [] if stem == "__init__" else [stem]
            source = read_source(os.path.join(where, name), ".".join([module, *parts, *last]))
            if source is not None:
                yield source


# What a tree says


def _statements(
    node: ast.AST, around: Around, lines: Sequence[int] | None = None
) -> Iterator[tuple[ast.stmt, Around]]:
    """Every statement with what is around it, in the order of the source.

    ``lines``: only those that one of these lines, which are sorted, is part of.
    """
    for part, value in ast.iter_fields(node):
        for each in value if isinstance(value, list) else ():
            if isinstance(each, ast.stmt):
                if lines is not None and not _has_any(each, lines):
                    continue
                here = (*around, (node, part))
                yield each, here
                yield from _statements(each, here, lines)
            elif isinstance(each, ast.ExceptHandler | ast.match_case):
                yield from _statements(each, (*around, (node, part)), lines)


def _has_any(statement: ast.stmt, lines: Sequence[int]) -> bool:
    next_line = bisect_left(lines, statement.lineno)
    return next_line < len(lines) and lines[next_line] <= (statement.end_lineno or statement.lineno)


def _connections_in(tree: ast.Module, around: Around) -> Iterator[Written]:
    for node, where in _statements(tree, around):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for decorator in reversed(node.decorator_list):
                yield from _decorated(decorator, node, where)
        else:
            for call in _calls_of(node):
                yield from _connected(call, where)


def _calls_of(statement: ast.AST) -> Iterator[ast.Call]:
    """The calls in a statement's own expressions, not in the statements that are inside it."""
    waiting = [each for each in ast.iter_child_nodes(statement) if not isinstance(each, ast.stmt)]
    for node in waiting:  # which grows as it is read
        if isinstance(node, ast.Call):
            yield node
        if not isinstance(node, ast.Lambda | ast.ExceptHandler | ast.match_case):
            waiting += [
                each for each in ast.iter_child_nodes(node) if not isinstance(each, ast.stmt)
            ]


def _decorated(decorator: ast.expr, node: ast.AST, around: Around) -> Iterator[Written]:
    call = decorator if isinstance(decorator, ast.Call) else None
    if call is None:
        # @post_save.connect
        if isinstance(decorator, ast.Attribute) and decorator.attr == "connect":
            yield Written(
                decorator, decorator.value, node, None, None, None, around, taken_by="connect"
            )
        return
    if not isinstance(call.func, ast.Name | ast.Attribute):
        return
    signals = call.args[0] if call.args else _keyword(call, "signal")
    if signals is None or (isinstance(call.func, ast.Attribute) and call.func.attr == "connect"):
        return
    for signal in signals.elts if isinstance(signals, ast.List | ast.Tuple) else [signals]:
        yield Written(
            call,
            signal,
            node,
            _keyword(call, "sender"),
            _keyword(call, "dispatch_uid"),
            _keyword(call, "weak"),
            around,
            taken_by="receiver",
        )


def _connected(call: ast.Call, around: Around) -> Iterator[Written]:
    if not (isinstance(call.func, ast.Attribute) and call.func.attr == "connect"):
        return
    # connect(receiver, sender=None, weak=True, dispatch_uid=None)
    given = dict(zip(("receiver", "sender", "weak", "dispatch_uid"), call.args, strict=False))
    given |= {each.arg: each.value for each in call.keywords if each.arg is not None}
    if "receiver" in given and not any(isinstance(each, ast.Starred) for each in call.args):
        yield Written(
            call,
            call.func.value,
            given["receiver"],
            given.get("sender"),
            given.get("dispatch_uid"),
            given.get("weak"),
            around,
        )


def _keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((each.value for each in call.keywords if each.arg == name), None)


def _bindings(source: Source) -> Iterator[tuple[str, str]]:
    if source.tree is None:
        return
    for node, _ in _statements(source.tree, ()):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from bound_by(node, source)


def bound_by(node: ast.Import | ast.ImportFrom, source: Source) -> Iterator[tuple[str, str]]:
    """Each name that an import binds, and what it stands for, in full."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            first = alias.name.partition(".")[0]
            yield (alias.asname, alias.name) if alias.asname else (first, first)
    else:
        base = _base_of(node, source)
        for alias in node.names:
            yield alias.asname or alias.name, f"{base}.{alias.name}"


def _base_of(node: ast.ImportFrom, source: Source) -> str:
    """The module that ``from ... import`` names, with its dots spelled out."""
    base = node.module or ""
    if not node.level:
        return base
    package = source.module.split(".")
    if not source.is_package:
        package.pop()
    above = package[: len(package) - node.level + 1]
    return ".".join([*above, base] if base else above)


def _imported_by(node: ast.AST, source: Source) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = _base_of(node, source)
        yield base
        yield from (f"{base}.{alias.name}" for alias in node.names)


def is_for_type_checkers(around: Around) -> bool:
    """Whether the code stands under ``if TYPE_CHECKING:``, which never runs."""
    return any(
        isinstance(node, ast.If) and part == "body" and _last_name(node.test) == "TYPE_CHECKING"
        for node, part in around
    )


def _last_name(node: ast.AST) -> str | None:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", None)


def first_line(node: ast.AST) -> int:
    """The line at which Python says that a function begins: that of its first decorator."""
    lines: list[int] = [each.lineno for each in getattr(node, "decorator_list", ())]
    return min([getattr(node, "lineno", 1), *lines])
