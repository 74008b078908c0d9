"""What a connection in the source would connect, and whether a live one is the same."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from dataclasses import dataclass
from types import FunctionType
from typing import Any, NamedTuple

from django.dispatch import Signal

from signal_tracer.describing.connections import entries_of, read_entry
from signal_tracer.describing.names import describe_receiver, is_a
from signal_tracer.mapping.looking import NOTHING, functions_of, look_up
from signal_tracer.mapping.surroundings import (
    bodies_naming,
    class_around,
    definition_of,
    is_kept,
    is_local,
    later_of_same_name,
    local_value,
    qualified,
    returns_a_function,
    text_of,
)
from signal_tracer.mapping.written import Source, Written, first_line


class Live(NamedTuple):
    """A live connection, as it is looked for: Django's key of it, and where its code stands."""

    sender_id: Any
    uid: Any
    name: str
    functions: frozenset[int]
    file: str
    line: int
    function: str


def live_connections(signal: Signal) -> Iterator[Live]:
    """The connections of a signal, the dead ones too, in calling order."""
    for each in entries_of(signal):
        entry = read_entry(each)
        if not entry.is_known_shape:
            continue
        if entry.receiver is None:
            yield Live(
                entry.sender_id, each[0][0], "a receiver that is gone", frozenset(), "", 0, ""
            )
            continue
        described = describe_receiver(entry.receiver)
        at = described.defined_at
        yield Live(
            entry.sender_id,
            each[0][0],
            described.name,
            frozenset(functions_of(entry.receiver)),
            "" if at is None else os.path.abspath(at.file),
            0 if at is None else at.line,
            "" if at is None else at.function,
        )


@dataclass(slots=True)
class Target:
    """What would be connected, as far as it can be told: any of these is it."""

    places: set[tuple[str, int]]
    functions: set[int]
    made_in: set[tuple[str, str]]
    # Nothing but the connection refers to it.
    is_temporary: bool = False
    # As a person would call it.
    what: str = ""

    @property
    def is_known(self) -> bool:
        return bool(self.places or self.functions or self.made_in)

    def is_connected_by(self, each: Live) -> bool:
        return (
            (each.file, each.line) in self.places
            or not self.functions.isdisjoint(each.functions)
            or any(
                each.file == file and each.function.startswith(f"{outer}.<locals>.")
                for file, outer in self.made_in
            )
        )


def target_of(source: Source, written: Written) -> Target:
    """What the connection would connect."""
    target = Target(set(), set(), set())
    node = written.receiver
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        target.places = {(source.file, first_line(node)), (source.file, node.lineno)}
        target.is_temporary = is_local(written.around)
        target.what = f"{node.name}(), which is made in a function,"
        if not target.is_temporary and later_of_same_name(written) is None:
            _add(target, f"{source.module}.{qualified(node.name, written.around)}")
    else:
        _aim(target, source, node, written)
    return target


def _add(target: Target, dotted: str | None) -> None:
    found = look_up(dotted)
    if found is not NOTHING:
        target.functions |= functions_of(found)


def _aim(target: Target, source: Source, node: ast.AST, written: Written) -> None:
    match node:
        case ast.Lambda():
            target.places.add((source.file, node.lineno))
            target.is_temporary, target.what = True, "the lambda"
        case ast.Name():
            _aim_at_name(target, source, node, written)
        case ast.Attribute(value=ast.Name(id="self" | "cls")):
            cls = class_around(written.around)
            if cls is not None:
                name = qualified("", written.around, upto=cls).rstrip(".")
                _add(target, f"{source.module}.{name}.{node.attr}")
                target.places |= {
                    (source.file, first_line(each))
                    for each in cls.body
                    if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
                    and each.name == node.attr
                }
        case ast.Attribute(value=ast.Call() as made):
            cls_name = source.dotted(made.func)
            if is_a(look_up(cls_name), type):
                _add(target, f"{cls_name}.{node.attr}")
                target.is_temporary = True
                target.what = f"the {text_of(made.func)} that the method belongs to"
        case ast.Attribute(value=ast.Name(id=name)) if (
            value := local_value(name, written)
        ) is not None:
            if isinstance(value, ast.Call) and is_a(look_up(source.dotted(value.func)), type):
                _add(target, f"{source.dotted(value.func)}.{node.attr}")
                target.is_temporary = True
                target.what = f"{name}, a local variable,"
        case ast.Attribute():
            _add(target, source.dotted(node))
        case ast.Call(func=func, args=[first, *_]) if text_of(func).endswith("partial"):
            _aim(target, source, first, written)
            target.is_temporary, target.what = True, "the partial"
        case ast.Call(func=func):
            made_by = look_up(source.dotted(func))
            if type(made_by) is FunctionType:
                code = made_by.__code__
                target.made_in.add((os.path.abspath(code.co_filename), code.co_qualname))
                target.is_temporary = returns_a_function(source, func)
                target.what = f"what {text_of(func)}() returned"
            elif is_a(made_by, type):
                called = look_up(f"{source.dotted(func)}.__call__")
                if type(called) is FunctionType:
                    code = called.__code__
                    target.places.add((os.path.abspath(code.co_filename), code.co_firstlineno))
                    target.is_temporary, target.what = True, f"the {text_of(func)}"


def _aim_at_name(target: Target, source: Source, node: ast.Name, written: Written) -> None:
    defined = definition_of(node.id, written)
    if defined is not None:
        function, around = defined
        target.places.add((source.file, first_line(function)))
        target.is_temporary = is_local(around) and not is_kept(node.id, written)
        target.what = f"{node.id}(), which is made in a function,"
        if is_local(around) or len(bodies_naming(node.id, written)) > 1:
            return
    else:
        value = local_value(node.id, written)
        if value is not None:
            if not isinstance(value, ast.Name):
                _aim(target, source, value, written)
            return
    _add(target, source.dotted(node))
