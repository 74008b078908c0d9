"""Bulk operations are watched, which change rows and send no signals for them.

Watched are the ``QuerySet``'s own methods: managers, related managers and the async twins all go
through these. Rows of a many-to-many field that are not changed by its manager are bypasses of
``m2m_changed``, and an ``update()`` by a ``delete()`` of the project's own of what a deletion
sends. Not a bypass is

* what sends the signals itself: ``Model.save()`` and ``delete()``, which use other methods;
* what ``delete()`` does to other rows on the way, which ``deletions`` tells of;
* what changed no row, or a model that nobody listens to, or only receivers that are muted;
* an ``update()`` of one row inside ``save()`` of its model, or inside a receiver of that:
  in all likelihood the row is the one whose signals are being sent.
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Iterator
from contextvars import ContextVar
from functools import partial
from typing import Any

from django.db.models import Model, QuerySet, deletion, signals

from signal_tracer.collecting import clock, nodes
from signal_tracer.collecting.bypassing import (
    MANAGER_METHODS,
    codes_of,
    deletes_softly,
    in_deletion,
    left_out_by,
    model_of,
    note,
    who_called,
)
from signal_tracer.collecting.nodes import DispatchRecord, Node, Root, Unkept, current, fenced
from signal_tracer.collecting.patching import Replacement, Watcher, hide_file, hide_from_stacklevel
from signal_tracer.collecting.receivers import DISPATCHER_FILE
from signal_tracer.describing.names import find_in_class, is_a, name_of_signal
from signal_tracer.describing.near_misses import is_through

hide_file(__file__)

_SAVED = (signals.pre_save, signals.post_save)
_DELETED = (signals.pre_delete, signals.post_delete)

_DJANGOS_SAVE = Model.save.__code__

# What bulk_create() takes after the objects and the size of a batch.
_OPTIONS = ("ignore_conflicts", "update_conflicts")

# The ORM sends with these alone.
_SENDS = ("send", "send_robust")


# The operation that runs: bulk_update() calls update(), and an override calls its original.
_running: ContextVar[tuple[object, object] | None] = ContextVar("signal_tracer.bulk", default=None)


def _watch(original: Any, left_out: tuple[Any, ...]) -> Any:
    def operation(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        __traceback_hide__ = __tracebackhide__ = True
        node = current.get()
        if node is None and nodes.everywhere is None:
            return original(self, *args, **kwargs)
        caller = sys._getframe(1)
        token = _begin(node, self, caller)
        if token is None:
            answer = original(self, *args, **kwargs)
            # Where Django 5.2, 6.0 and 6.1 call _raw_delete() and update() for a delete().
            deleting = in_deletion.get()
            if deleting is not None and caller.f_code.co_filename == deletion.__file__:
                deleting.told(self, original.__name__, kwargs, answer)
            return answer
        started = clock.now()
        try:
            answer = original(self, *args, **kwargs)
        finally:
            _running.reset(token)
        _end(node, self, original.__name__, left_out, answer, args, kwargs, started, caller)
        return answer

    return hide_from_stacklevel(functools.wraps(original)(operation), original.__name__)


@fenced("to see a bulk operation begin")
def _begin(node: Node | None, queryset: Any, caller: types.FrameType) -> Any:
    """A token when this is an operation of its own, and not a part of another."""
    running = _running.get()
    model = model_of(queryset)
    if running is not None and running[0] is node and running[1] is model:
        return None
    if caller.f_code.co_filename == deletion.__file__:
        return None
    return _running.set((node, model))


@fenced("to record a bulk operation")
def _end(
    node: Node | None,
    queryset: Any,
    method: str,
    left_out: tuple[Any, ...],
    answer: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    started: int,
    caller: types.FrameType,
) -> None:
    stopped = clock.now()
    node = nodes.node_with_everywhere(node)
    recorders = node.recorders.all if node is not None else ()
    rows = _rows(answer)
    model = model_of(queryset)
    if rows == 0 or not recorders or not is_a(model, type):
        return
    skipped = left_out_by(node, () if _is_automatic(model) else left_out, model)
    of_rows_between = left_out_by(node, (signals.m2m_changed,), model) if method != "update" else []
    of_deletion = left_out_by(node, _DELETED, model) if method == "update" else []
    if of_rows_between and not is_through(model):
        of_rows_between = []
    if of_deletion and not deletes_softly(caller, model, type(queryset)):
        of_deletion = []
    if not (skipped or of_rows_between or of_deletion):
        return
    called, site = who_called(caller, queryset, method)
    about = node, site, started, stopped
    is_of_save = method == "update" and rows == 1 and _is_inside_save(node, site, model)
    if skipped and not is_of_save:
        options = _options(args, kwargs) if method == "bulk_create" else ()
        note(*about, skipped, called, model, rows, options)
    if of_rows_between and called not in MANAGER_METHODS:
        called = "delete" if called == "_raw_delete" else called
        note(*about, of_rows_between, called, model, rows, door="many_to_many")
    if of_deletion:
        note(*about, of_deletion, "delete", model, rows, door="soft_delete")


def _rows(answer: Any) -> int | None:
    """How many rows were given or changed: bulk_create() returns a list that Django made."""
    if type(answer) is list or type(answer) is tuple:
        return len(answer)
    if type(answer) is int and answer >= 0:
        return answer
    # Anything else is what bulk_create() was given, and returned because it was empty.
    return 0 if answer is not None and type(answer) is not int else None


def _is_automatic(model: Any) -> bool:
    """Whether it is the ``through`` that Django made: ``m2m_changed`` is sent for its rows."""
    # Not documented, and the same in Django 5.2, 6.0 and 6.1.
    return getattr(find_in_class(model, "_meta"), "auto_created", False) is not False


def _options(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, ...]:
    given = {**dict(zip(_OPTIONS, args[2:], strict=False)), **kwargs}
    return tuple(each for each in _OPTIONS if given.get(each) is True)


def _is_inside_save(node: Any, frame: types.FrameType | None, model: Any) -> bool:
    """Whether a ``save()`` that the model's classes define, or a receiver of it, is running."""
    if _is_called_for_saving(node, model):
        return True
    saves = [each for each in codes_of(model, "save") if each is not _DJANGOS_SAVE]
    while frame is not None:
        code = frame.f_code
        if any(code is each for each in saves):
            return True
        if code.co_filename == DISPATCHER_FILE and code.co_name in _SENDS:
            return False
        frame = frame.f_back
    return False


def _is_called_for_saving(node: Any, model: Any) -> bool:
    """Whether the receiver that runs was called because the model is saved."""
    while type(node) is Root:
        node = node.outer
    names = [name_of_signal(each) for each in _SAVED]
    if type(node) is Unkept:
        return node.signal in names  # Of which model is not known: in all likelihood of this one.
    if type(node) is DispatchRecord:
        signal, sender = node.route.signal, node.route.reference
    else:
        call = nodes.innermost_call(node)
        signal, sender = ("", None) if call is None else call.info.called_for
    return signal in names and sender is not None and _concrete(sender()) is _concrete(model)


def _concrete(model: Any) -> Any:
    meta = find_in_class(model, "_meta") if is_a(model, type) else None
    # Not documented, and the same in Django 5.2, 6.0 and 6.1.
    return getattr(meta, "concrete_model", model)


def _replacements() -> Iterator[Replacement]:
    yield QuerySet, "bulk_create", partial(_watch, left_out=_SAVED)
    yield QuerySet, "bulk_update", partial(_watch, left_out=_SAVED)
    yield QuerySet, "update", partial(_watch, left_out=_SAVED)
    # Private, and the same in Django 5.2, 6.0 and 6.1.
    yield QuerySet, "_raw_delete", partial(_watch, left_out=_DELETED)


WATCHER = Watcher(_replacements)
