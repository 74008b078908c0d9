"""A query is noted for the receiver call that ran it.

What is watched are the three methods of ``CursorWrapper`` that go to the database driver, below
everything that others put around a query: ``execute_wrappers``, which the traced code can see and
so hold nothing of ours; the wrapper that logs queries; the cursors of the toolbar's SQL panel.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Iterator
from typing import Any, TypeAlias

from django.db.backends.utils import CursorWrapper

from signal_tracer.collecting import clock, nodes
from signal_tracer.collecting.inlining import inlined
from signal_tracer.collecting.nodes import CallRecord, current
from signal_tracer.collecting.patching import Replacement, Watcher, hide_from_stacklevel
from signal_tracer.collecting.raw import Activity
from signal_tracer.collecting.reading import Reading
from signal_tracer.collecting.recorder import Statement
from signal_tracer.collecting.sql import COMPILER, note_write
from signal_tracer.describing.names import class_name
from signal_tracer.records import Query

# What is kept of a statement, in characters.
_LONGEST = 2_000


# (statement, alias, started, stopped, batch size): a tuple, because a trace keeps thousands.
QueryRecord: TypeAlias = "tuple[Statement, str, int, int, int | None]"


class Queries(list[QueryRecord]):
    """Those of a receiver call that are kept, up to a limit of the trace; ``omitted`` counts on."""

    omitted = 0

    def read(self, reading: Reading) -> dict[str, Any]:
        # Another trace may have wanted them where this one did not.
        if not reading.config.record_queries:
            return {}
        found = [
            Query(
                sql=reading.redact_once(statement[0]),
                alias=alias,
                started_at=reading.since_start(started),
                duration=reading.seconds(started, stopped),
                is_write=statement[1],
                batch_size=batch_size,
            )
            for statement, alias, started, stopped, batch_size in self[:]
            if stopped <= reading.until
        ]
        return {"queries": found, "omitted_queries": self.omitted}


def _watch_execute(original: Any) -> Any:
    def _execute(self: Any, sql: Any, params: Any, *ignored_wrapper_args: Any) -> Any:
        __traceback_hide__ = __tracebackhide__ = True  # On debug pages, and in pytest.
        node = current.get()
        if node is None and nodes.everywhere is None:
            return original(self, sql, params, *ignored_wrapper_args)
        started = clock.now()
        try:
            return original(self, sql, params, *ignored_wrapper_args)
        finally:
            _note(node, self, sql, started, clock.now(), None)

    found = inlined(_execute, original)
    return found or hide_from_stacklevel(functools.wraps(original)(_execute), "_execute")


def _watch_executemany(original: Any) -> Any:
    def _executemany(self: Any, sql: Any, param_list: Any, *ignored_wrapper_args: Any) -> Any:
        __traceback_hide__ = __tracebackhide__ = True
        node = current.get()
        if node is None and nodes.everywhere is None:
            return original(self, sql, param_list, *ignored_wrapper_args)
        # Before the driver goes over it; len() of anything else might be the user's code.
        is_sized = type(param_list) is list or type(param_list) is tuple
        batch_size = len(param_list) if is_sized else None
        started = clock.now()
        try:
            return original(self, sql, param_list, *ignored_wrapper_args)
        finally:
            _note(node, self, sql, started, clock.now(), batch_size)

    found = inlined(_executemany, original)
    return found or hide_from_stacklevel(functools.wraps(original)(_executemany), "_executemany")


def _watch_callproc(original: Any) -> Any:
    def callproc(self: Any, procname: Any, *args: Any, **kwargs: Any) -> Any:
        __traceback_hide__ = __tracebackhide__ = True
        node = current.get()
        if node is None and nodes.everywhere is None:
            return original(self, procname, *args, **kwargs)
        started = clock.now()
        try:
            return original(self, procname, *args, **kwargs)
        finally:
            name = f"callproc {procname}" if type(procname) is str else procname
            _note(node, self, name, started, clock.now(), None)

    return hide_from_stacklevel(functools.wraps(original)(callproc), "callproc")


# It stands written out what ``nodes.fenced`` says, because a query is to cost one call.
def _note(
    node: Any, cursor: Any, sql: Any, started: int, stopped: int, batch_size: int | None
) -> None:
    try:
        if nodes.everywhere is not None:
            node = nodes.node_with_everywhere(node)
        if type(sql) is str and sql[:1] != "S":  # No SELECT, and no savepoint.
            # Past what runs it and CursorWrapper.execute(): most writes are Django's own.
            frame = sys._getframe(2).f_back
            frame = None if frame is None else frame.f_back
            if frame is None or frame.f_code.co_filename != COMPILER:
                note_write(node, cursor, sql, started, stopped)
        call = node if type(node) is CallRecord else nodes.innermost_call(node)
        is_wanted, keeper = False, None
        for recorder in node.recorders.all:
            if recorder.takes_queries:
                recorder.query_count += 1
                # A trace that was started inside the call sees no more of it than that.
                if call is node or (call is not None and recorder in call.recorders.all):
                    is_wanted = True
                    if recorder.room_for_queries > 0:
                        recorder.room_for_queries -= 1
                        keeper = recorder
        if call is None or not is_wanted:
            return
        activity = call.activity
        if activity is None:
            activity = call.activity = Activity()
        if keeper is None:
            activity[Queries].omitted += 1
            return
        statement = keeper.statements.get(sql) if type(sql) is str else None
        if statement is None:
            statement = _statement_of(sql)
            statement = keeper.statements.setdefault(statement[0], statement)
        # ``db`` is not documented, and the same in Django 5.2, 6.0 and 6.1.
        activity[Queries].append((statement, cursor.db.alias, started, stopped, batch_size))
    except Exception:
        nodes.report_fault(node, "to record a query")


def _statement_of(sql: Any) -> Statement:
    """The text that is kept of a statement, and whether it writes."""
    kind = type(sql)
    if not issubclass(kind, str):
        # Composed by the driver's own classes: to read it would be to run them.
        return f"<{class_name(kind)}>", False
    text = str.__str__(sql)
    is_write = _is_write(text)
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}… ({len(text):,} characters)"
    return text, is_write


# Atomic: there are as many ways to read a row of comments as one could wish for.
_BEGIN = r"(?>\s|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*+"
_FLAGS = re.IGNORECASE | re.DOTALL
_WRITES = re.compile(_BEGIN + r"(?:INSERT|UPDATE|DELETE|REPLACE|MERGE|TRUNCATE)\b", _FLAGS)
_WITH = re.compile(_BEGIN + r"WITH\b", _FLAGS)
_NOT_CODE = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`|--[^\n]*|/\*.*?\*/", re.DOTALL)
# In a statement that begins with WITH, a writing part follows a bracket; FOR UPDATE does not.
_WRITING_PART = re.compile(
    r"[()]\s*(?:(?:INSERT|REPLACE|MERGE)\s+(?:INTO|OR)\b|DELETE\s+FROM\b|UPDATE\s+[\w\[])", _FLAGS
)


def _is_write(sql: str) -> bool:
    if _WRITES.match(sql):
        return True
    return bool(_WITH.match(sql)) and bool(_WRITING_PART.search(_NOT_CODE.sub(" ", sql)))


def _replacements() -> Iterator[Replacement]:
    # Each has the same parameters in Django 5.2, 6.0 and 6.1; the first two are private.
    yield CursorWrapper, "_execute", _watch_execute
    yield CursorWrapper, "_executemany", _watch_executemany
    yield CursorWrapper, "callproc", _watch_callproc


WATCHER = Watcher(_replacements)
