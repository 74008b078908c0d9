"""What a deletion does to other rows is watched, and what it costs that somebody listens.

Django sends ``pre_delete`` and ``post_delete`` for the rows that it deletes by itself, and nothing
for what it does besides. Bypasses are

* a foreign key that ``on_delete`` sets, such as to null: nothing is sent of a save;
* rows that the database deletes or changes itself, as ``DB_CASCADE`` has it from Django 6.1;
* rows between two models, deleted with one of them or by themselves: ``m2m_changed`` is sent by
  the manager alone. So it is with those that are saved by themselves.

Rows that are deleted one by one for the sake of receivers of every model are counted.
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Iterator
from typing import Any

from django.db.models import Model, QuerySet, deletion, signals
from django.db.models.deletion import Collector

from signal_tracer.collecting import clock, nodes
from signal_tracer.collecting.bypassing import (
    MANAGER_METHODS,
    deletes_softly,
    in_deletion,
    left_out_by,
    model_of,
    note,
    who_called,
)
from signal_tracer.collecting.nodes import Node, current, fenced
from signal_tracer.collecting.patching import Replacement, Watcher, hide_file, hide_from_stacklevel
from signal_tracer.collecting.reading import Reading
from signal_tracer.collecting.routes import ReceiverInfo
from signal_tracer.describing.frames import find_project_frame
from signal_tracer.describing.names import class_bases, class_name, is_a
from signal_tracer.describing.near_misses import is_through
from signal_tracer.records import Listening, SlowDeletion

hide_file(__file__)

_SAVED = (signals.pre_save, signals.post_save)
_DELETED = (signals.pre_delete, signals.post_delete)
_ALL = (*_SAVED, *_DELETED, signals.m2m_changed)

# What is left to the database, by the id of the rule: there is none before Django 6.1.
_IN_DATABASE: dict[int, str] = {
    id(getattr(deletion, name)): name
    for name in ("DB_CASCADE", "DB_SET_NULL", "DB_SET_DEFAULT")
    if hasattr(deletion, name)
}
# Fewer rows are quick to delete one by one.
_MANY_ROWS = 10


class _Deletion:
    """One deletion while it runs: deleted rows by their model, and fields that are set."""

    __slots__ = ("deleted", "loaded", "origin", "set", "started", "using")

    def __init__(self, collector: Any) -> None:
        self.started = clock.now()
        self.using = collector.using
        self.origin = _class_of(collector.origin)
        self.loaded: list[tuple[Any, int]] = [
            (model, len(instances))
            for model, instances in list(collector.data.items())
            if instances
        ]
        self.deleted = list(self.loaded)
        self.set: list[list[Any]] = []
        for (field, _), lists in list(collector.field_updates.items()):
            # Rows that are not loaded are counted once they are changed.
            loaded = [each for each in map(_loaded_rows, lists) if each is not None]
            self.set.append([field, sum(map(len, loaded))])

    @fenced("to see what a deletion does")
    def told(self, queryset: Any, method: str, values: dict[str, Any], rows: Any) -> None:
        """Of an operation on rows that were not loaded."""
        model = model_of(queryset)
        if type(rows) is not int or not rows:
            return
        if method == "_raw_delete":
            self.deleted.append((model, rows))
            return
        for each in self.set:
            field = each[0]
            if field.name in values and any(field.model is base for base in class_bases(model)):
                each[1] += rows
                return


def _class_of(origin: Any) -> Any:
    """Of what a person asked to delete: an instance or a queryset."""
    return model_of(origin) if is_a(origin, QuerySet) else type(origin)


def _loaded_rows(rows: Any) -> Any:
    if is_a(rows, QuerySet):
        # Private, and the same in Django 5.2, 6.0 and 6.1: None until it was evaluated.
        return dict.get(rows.__dict__, "_result_cache")
    return rows if type(rows) in (list, tuple, set) else None


def _watch_delete(original: Any) -> Any:
    def delete(self: Any) -> Any:
        __traceback_hide__ = __tracebackhide__ = True
        node = current.get()
        if node is None and nodes.everywhere is None:
            return original(self)
        found = _begin(self)
        if found is None:
            return original(self)
        token = in_deletion.set(found)
        try:
            answer = original(self)
        finally:
            in_deletion.reset(token)
        _end(node, found, self, sys._getframe(1))
        return answer

    return hide_from_stacklevel(functools.wraps(original)(delete), original.__name__)


@fenced("to see a deletion begin")
def _begin(collector: Any) -> _Deletion | None:
    if not any(each.receivers for each in _ALL):
        return None
    return _Deletion(collector)


@fenced("to record what a deletion did")
def _end(node: Node | None, found: _Deletion, collector: Any, caller: types.FrameType) -> None:
    node = nodes.node_with_everywhere(node)
    if node is None or not node.recorders.all:
        return
    if found.origin is type(None) and found.deleted:
        found.origin = found.deleted[0][0]
    method, site = who_called(caller, collector, "delete")
    about = node, site, found.started, clock.now()
    gone = {id(model): rows for model, rows in found.deleted}
    for field, rows in found.set:
        rule = _name_of_rule(field.remote_field.on_delete)
        # Where as many are deleted they may be the same ones.
        if rows > gone.get(id(field.model), 0) and rule != "CASCADE":
            skipped = left_out_by(node, _SAVED, field.model)
            if skipped:
                note(
                    *(*about, skipped, rule, field.model, rows),
                    door="on_delete",
                    field=field.name,
                    origin=field.remote_field.model,
                )
    # From Django 6.1 on; nothing of a subclass's own is asked for it.
    leaves_nothing = dict.get(collector.__dict__, "force_collection")
    for field, rule in () if leaves_nothing else _in_database(found):
        of = _DELETED if rule == "DB_CASCADE" else _SAVED
        skipped = left_out_by(node, of, field.model)
        if skipped:
            note(
                *(*about, skipped, rule, field.model, None),
                door="database",
                field=field.name,
                origin=field.remote_field.model,
            )
    if method not in MANAGER_METHODS:
        for model, rows in found.deleted:
            skipped = left_out_by(node, (signals.m2m_changed,), model)
            if skipped and is_through(model):
                note(
                    *(*about, skipped, "delete", model, rows),
                    door="many_to_many",
                    origin=None if found.origin is model else found.origin,
                )
    _note_slow(node, found, site)


def _name_of_rule(rule: Any) -> str:
    """``SET_NULL``; ``SET`` of a value, which Django makes a function for; or one's own."""
    name = rule.__name__ if type(rule) is types.FunctionType else "on_delete"
    return "SET" if name == "set_on_delete" else name


def _in_database(found: _Deletion) -> Iterator[tuple[Any, str]]:
    """The foreign keys that the database follows by itself, with their rules."""
    waiting = [model for model, _ in found.deleted] if _IN_DATABASE else []
    seen: set[int] = set()
    related: Any
    for model in waiting:  # It grows.
        # Not documented, and the same in Django 5.2, 6.0 and 6.1.
        for related in deletion.get_candidate_relations_to_delete(model._meta):
            rule = _IN_DATABASE.get(id(related.field.remote_field.on_delete))
            if rule is None or id(related.field) in seen:
                continue
            seen.add(id(related.field))
            yield related.field, rule
            if rule == "DB_CASCADE":
                waiting.append(related.related_model)


# Rows that are deleted one by one


class SlowDeletions(list["SlowRecord"]):
    """Those of a whole trace, wherever they were made."""

    __slots__ = ()

    def read(self, reading: Reading) -> dict[str, Any]:
        return {"slow_deletions": [each.read(reading) for each in self[:]]}


class SlowRecord:
    """Rows that were loaded because receivers of every model listen."""

    __slots__ = ("infos", "instruction", "model", "rows", "sent_by")

    def __init__(
        self,
        model: str,
        rows: int,
        infos: list[ReceiverInfo],
        sent_by: types.CodeType | None,
        instruction: int,
    ) -> None:
        self.model = model
        self.rows = rows
        self.infos = infos
        self.sent_by = sent_by
        self.instruction = instruction

    def read(self, reading: Reading) -> SlowDeletion:
        return SlowDeletion(
            self.model,
            self.rows,
            tuple(Listening(each.name, each.defined_at) for each in self.infos),
            reading.location(self.sent_by, self.instruction),
        )


class _Unheard(Collector):
    """Says what Django would delete at once if nobody listened."""

    # Private, and the same in Django 5.2, 6.0 and 6.1.
    def _has_signal_listeners(self, model: Any) -> bool:
        return False


def _note_slow(node: Node, found: _Deletion, site: types.FrameType | None) -> None:
    for model, rows in found.loaded:
        if rows < _MANY_ROWS:
            continue
        infos = [info for _, info in left_out_by(node, _DELETED, model)]
        if not infos or not all(each.hears_any_sender for each in infos):
            continue
        # Private, and the same in Django 5.2, 6.0 and 6.1, also that a model may be asked about.
        if not _Unheard(found.using).can_fast_delete(model):
            continue
        lead = find_project_frame(site) or site
        for recorder in node.recorders:
            if recorder.is_running and recorder.keep_other():
                located = None if not recorder.config.record_locations else lead
                recorder.activity[SlowDeletions].append(
                    SlowRecord(
                        class_name(model),
                        rows,
                        infos,
                        None if located is None else located.f_code,
                        0 if located is None else located.f_lasti,
                    )
                )


# Rows that are saved by themselves


def _watch_insert(original: Any) -> Any:
    def _do_insert(
        self: Any, manager: Any, using: Any, fields: Any, returning_fields: Any, raw: Any
    ) -> Any:
        __traceback_hide__ = __tracebackhide__ = True
        answer = original(self, manager, using, fields, returning_fields, raw)
        node = current.get()
        if not raw and (node is not None or nodes.everywhere is not None):
            _note_row(node, self, sys._getframe(1))
        return answer

    return hide_from_stacklevel(functools.wraps(original)(_do_insert), original.__name__)


@fenced("to see a row between two models saved")
def _note_row(node: Node | None, row: Any, caller: types.FrameType) -> None:
    model = type(row)
    if not is_through(model):
        return
    node = nodes.node_with_everywhere(node)
    skipped = left_out_by(node, (signals.m2m_changed,), model)
    if skipped:
        _, site = who_called(caller, row, "save")
        now = clock.now()
        note(node, site, now, now, skipped, "save", model, 1, door="many_to_many")


# Rows that are marked as deleted


def _watch_update(original: Any) -> Any:
    def _do_update(self: Any, *args: Any, **kwargs: Any) -> Any:
        __traceback_hide__ = __tracebackhide__ = True
        answer = original(self, *args, **kwargs)
        node = current.get()
        if node is not None or nodes.everywhere is not None:
            _note_mark(node, self, sys._getframe(1))
        return answer

    return hide_from_stacklevel(functools.wraps(original)(_do_update), original.__name__)


@fenced("to see a row marked as deleted")
def _note_mark(node: Node | None, row: Any, caller: types.FrameType) -> None:
    model = type(row)
    if not deletes_softly(caller, model, QuerySet):
        return
    node = nodes.node_with_everywhere(node)
    skipped = left_out_by(node, _DELETED, model)
    if skipped:
        _, site = who_called(caller, row, "save")
        now = clock.now()
        note(node, site, now, now, skipped, "delete", model, 1, door="soft_delete")


def _replacements() -> Iterator[Replacement]:
    yield Collector, "delete", _watch_delete
    # In the midst of each save: only where somebody waits when a trace begins.
    # Private, and the same in Django 5.2, 6.0 and 6.1, save for what _do_update() takes.
    if signals.m2m_changed.receivers:
        yield Model, "_do_insert", _watch_insert
    if any(each.receivers for each in _DELETED):
        yield Model, "_do_update", _watch_update


WATCHER = Watcher(_replacements)
