"""Bulk calls in the project's source, and what each skips: receivers, and overridden methods."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable
from types import FunctionType
from typing import Any, NamedTuple

from django.db.models import Model

from signal_tracer.describing.names import class_name, find_in_class, is_a
from signal_tracer.mapping.looking import look_up
from signal_tracer.mapping.ownership import Ownership
from signal_tracer.mapping.projects import Project
from signal_tracer.mapping.written import Around, Source
from signal_tracer.records import Location
from signal_tracer.signal_map import BulkCall, MappedSignal

_SAVED = ("django.db.models.signals.pre_save", "django.db.models.signals.post_save")
_DELETED = ("django.db.models.signals.pre_delete", "django.db.models.signals.post_delete")


class _Skips(NamedTuple):
    signals: tuple[str, ...]
    method: str


# What each goes past: QuerySet.delete() sends its signals, and calls no delete() of the model.
# The last is private, and the same in Django 5.2, 6.0 and 6.1.
_METHODS = {
    **dict.fromkeys(("bulk_create", "abulk_create"), _Skips(_SAVED, "save")),
    **dict.fromkeys(("bulk_update", "abulk_update"), _Skips(_SAVED, "save")),
    **dict.fromkeys(("update", "aupdate"), _Skips(_SAVED, "save")),
    **dict.fromkeys(("delete", "adelete"), _Skips((), "delete")),
    "_raw_delete": _Skips(_DELETED, "delete"),
}
_MAY_CALL = re.compile(r"\.\s*(a?bulk_create|a?bulk_update|a?update|a?delete|_raw_delete)\s*\(")
# A file without any of these has dictionaries and files to update and delete.
_HAS_QUERYSETS = re.compile(r"\bobjects\b|_set\b|manager\b|bulk_|_raw_|\.\s*(filter|exclude)\s*\(")
# A variable that may hold a queryset; most that have an update() are dictionaries.
_SET_TO_ATTRIBUTE = re.compile(r"\b(\w+)\s*(?::[^=\n]+)?=\s*[\w.]+\.\w+")
# What returns a queryset of the same model.
_SAME_MODEL = frozenset(
    (
        *("all", "filter", "exclude", "order_by", "using", "select_related", "prefetch_related"),
        *("only", "defer", "distinct", "annotate", "alias", "select_for_update", "reverse"),
        *("union", "none", "extra", "get_queryset", "db_manager", "complex_filter"),
    )
)
# What only a queryset or a manager has.
_TELLING = _SAME_MODEL - {"all", "extra", "using", "none", "reverse", "union", "only"}


def signals_skipped_by(method: str) -> tuple[str, ...]:
    """The signals that a method of a queryset does not send for the rows that it changes."""
    return _METHODS[method].signals if method in _METHODS else ()


def bulk_calls(
    project: Project, ownership: Ownership, signals: Iterable[MappedSignal]
) -> tuple[tuple[BulkCall, ...], int]:
    """The calls that skip something, and how many there are whose model cannot be told."""
    heard = _heard(signals)
    found: list[BulkCall] = []
    unknown = 0
    for source in project.sources:
        if _HAS_QUERYSETS.search(source.text) is None:
            continue
        likely = {each[1] for each in _SET_TO_ATTRIBUTE.finditer(source.text)}
        for call, around in source.calls(_MAY_CALL):
            if not isinstance(call.func, ast.Attribute) or call.func.attr not in _METHODS:
                continue
            if isinstance(call.func.value, ast.Name) and call.func.value.id not in likely:
                unknown += _is_queryset(call.func)
                continue
            model = _model_of(call.func.value, source, around)
            if model is None:
                unknown += _is_queryset(call.func)
                continue
            skips = _METHODS[call.func.attr]
            inside = _names_around(around)
            receivers = [
                receiver
                for signal in skips.signals
                for receiver in heard.get((signal, class_name(model)), ())
                # A receiver that writes so in order not to be called again skips itself.
                if receiver.rpartition(".")[2] not in inside
            ]
            method = _own(model, skips.method, ownership)
            if method is not None and skips.method in inside:
                method = None
            if receivers or method:
                found.append(
                    BulkCall(
                        call.func.attr,
                        class_name(model),
                        tuple(dict.fromkeys(receivers)),
                        method,
                        Location(
                            source.file, call.func.end_lineno or call.lineno, _function(around)
                        ),
                    )
                )
        source.let_go()
    return tuple(found), unknown


def _heard(signals: Iterable[MappedSignal]) -> dict[tuple[str, str], list[str]]:
    """The receivers that wait for one model, by signal and model."""
    found: dict[tuple[str, str], list[str]] = {}
    for signal in signals:
        for each in signal.connections if signal.name in (*_SAVED, *_DELETED) else ():
            if each.sender is not None and each.state == "alive" and each.is_project:
                found.setdefault((signal.name, each.sender), []).append(each.receiver)
    return found


def _model_of(node: ast.expr, source: Source, around: Around, depth: int = 0) -> Any:
    """The model of a manager or a queryset, where the source says it."""
    while True:
        match node:
            case ast.Call(func=ast.Attribute(value=inner, attr=name)) if name in _SAME_MODEL:
                node = inner
            case ast.Subscript(value=inner):
                node = inner
            case ast.Attribute(value=owner):
                model = look_up(source.dotted(owner))
                return model if _is_model(model) else None
            case ast.Name(id=name) if depth == 0:
                value = _set_once(name, around)
                return None if value is None else _model_of(value, source, around, 1)
            case _:
                return None


def _is_model(live: object) -> bool:
    return is_a(live, type) and find_in_class(live, "_meta") is not None and live is not Model  # type: ignore[arg-type]


def _set_once(name: str, around: Around) -> ast.expr | None:
    """What a local variable holds, if the function sets it in one place only."""
    functions = [
        node for node, _ in around if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    if not functions:
        return None
    bound = Counter(
        each.id
        for each in ast.walk(functions[-1])
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
    )
    for each in ast.walk(functions[-1]):
        match each:
            case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name:
                return value if bound[name] == 1 else None
    return None


def _is_queryset(func: ast.Attribute) -> bool:
    """Whether it is certainly called on a queryset or a manager, whichever model's."""
    if "bulk" in func.attr or func.attr == "_raw_delete":
        return True
    node = func.value
    if "delete" in func.attr and isinstance(node, ast.Call):
        # An instance has one too: create().delete(), get().delete().
        return isinstance(node.func, ast.Attribute) and node.func.attr in _SAME_MODEL
    return any(
        isinstance(each, ast.Attribute) and each.attr in (*_TELLING, "objects")
        for each in ast.walk(node)
    )


def _names_around(around: Around) -> set[str]:
    return {
        node.name for node, _ in around if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def _function(around: Around) -> str:
    names = [
        node.name
        for node, _ in around
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    ]
    return ".".join(names) or "<module>"


def _own(model: type, name: str, ownership: Ownership) -> str | None:
    """The project's own ``save()`` or ``delete()`` that the model has in place of Django's."""
    found = find_in_class(model, name)
    if type(found) is not FunctionType:
        return None
    _, is_project = ownership.of(found.__module__, found.__code__.co_filename)
    return f"{class_name(model)}.{name}()" if is_project else None
