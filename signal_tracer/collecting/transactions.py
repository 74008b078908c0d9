"""The place where transactions are watched: what ran inside one, what was undone, what came after.

Followed is what the database is told, not what the code of a block meant to do: a *span* is a
stretch of work that is undone together, from a ``BEGIN`` or a ``SAVEPOINT`` on. A dispatch keeps
the spans that it was sent in. The atomic blocks that Django's ``TestCase`` puts around each test
do not count: to the code under test they are not there.

The callbacks of ``on_commit()`` stay the user's own, in Django's own list, until they run.
"""

from __future__ import annotations

import functools
import logging
import threading
import weakref
from typing import Any

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from signal_tracer.collecting import clock, recording, spans
from signal_tracer.collecting.deeds import CallbackRecord
from signal_tracer.collecting.hiding import hide_file, pass_over
from signal_tracer.collecting.naming import describe_receiver
from signal_tracer.collecting.nodes import CallRecord
from signal_tracer.collecting.patching import Patches
from signal_tracer.collecting.recording import current
from signal_tracer.collecting.spans import Here, Span

hide_file(__file__)


class _Stack:
    """The open spans of one connection in its thread, the innermost last."""

    __slots__ = ("alias", "connection", "spans")

    def __init__(self, connection: Any) -> None:
        self.connection = weakref.ref(connection)
        self.alias: str = connection.alias
        self.spans: list[Span] = []

    def push(self, sid: str | None, depth: int) -> None:
        parent = self.spans[-1] if self.spans else None
        self.spans.append(Span(self.alias, parent, sid, depth))

    def index_of(self, sid: Any) -> int | None:
        for index, span in enumerate(self.spans):
            if span.sid == sid:
                return index
        return None

    def undo(self, first: int) -> None:
        """All since this span began is undone; what comes next is in a new one like it."""
        undone = self.spans[first]
        undone.is_rolled_back = True
        del self.spans[first:]
        self.push(undone.sid, undone.depth)


def _is_idle() -> bool:
    """Nobody traces here, and no span is known that would have to be closed."""
    return current.get() is None and not recording.everywhere and not spans.place.stacks


def _stack_of(connection: Any) -> _Stack | None:
    stack: _Stack | None = spans.place.stacks.get(id(connection))
    return stack if stack is not None and stack.connection() is connection else None


def _first_span(connection: Any) -> _Stack | None:
    """A stack for the blocks that were open before anybody looked, unless they are a test's."""
    depth = 1
    for block in connection.atomic_blocks:
        if not block._from_testcase:
            stack = _Stack(connection)
            stack.push(None, depth)
            spans.place.stacks[id(connection)] = stack
            return stack
        depth += 1
    return None


def _forget(connection: Any) -> None:
    spans.place.stacks.pop(id(connection), None)


def _note_place() -> None:
    """What the dispatches of this thread are to remember from now on."""
    place = spans.place
    innermost = tuple(stack.spans[-1] for stack in place.stacks.values() if stack.spans)
    here = Here(innermost) if innermost else None
    if place.callback is not None:
        here = Here(innermost, place.callback, place.node, here)
    place.here = here


def look_around() -> None:
    """Note the atomic blocks that are open in this thread when a trace begins."""
    try:
        for connection in connections.all(initialized_only=True):
            if connection.in_atomic_block and _stack_of(connection) is None:
                _first_span(connection)
        _note_place()
    except Exception:
        recording.report_fault(current.get(), "to see the open transactions")


def _follow(note: Any, *args: Any) -> None:
    try:
        note(*args)
        _note_place()
    except Exception:
        recording.report_fault(current.get(), "to follow a transaction")


# Atomic blocks


def _watch_enter(original: Any) -> Any:
    def __enter__(self: Any) -> Any:  # noqa: N807  # stands for Django's
        __traceback_hide__ = True
        entered = original(self)
        if not _is_idle():
            _follow(_note_enter, self)
        return entered

    return pass_over(functools.wraps(original)(__enter__), "__enter__")


def _watch_exit(original: Any) -> Any:
    def __exit__(self: Any, *error: Any) -> Any:  # noqa: N807  # stands for Django's
        __traceback_hide__ = True
        try:
            return original(self, *error)
        finally:
            if spans.place.stacks:
                _follow(_note_exit, self)

    return pass_over(functools.wraps(original)(__exit__), "__exit__")


def _note_enter(block: Any) -> None:
    connection = transaction.get_connection(block.using)
    stack = _stack_of(connection)
    if stack is None:
        _first_span(connection)
    elif stack.spans[-1].sid is not None and stack.spans[-1].sid == connection.savepoint_ids[-1]:
        stack.spans[-1].depth = len(connection.atomic_blocks)  # Its savepoint was noted before.


def _note_exit(block: Any) -> None:
    connection = transaction.get_connection(block.using)
    stack = _stack_of(connection)
    if stack is None:
        return
    last = stack.spans[0]
    while stack.spans and stack.spans[-1].depth > len(connection.atomic_blocks):
        stack.spans.pop()
    if not stack.spans:
        if connection.in_atomic_block and connection.needs_rollback:
            last.is_rolled_back = True  # Inside a test's own block, which can now only roll back.
        _forget(connection)


# Savepoints, rollbacks, lost connections


def _watch_savepoint(original: Any) -> Any:
    def savepoint(self: Any) -> Any:
        __traceback_hide__ = True
        sid = original(self)
        if not _is_idle():
            _follow(_note_savepoint, self, sid)
        return sid

    return pass_over(functools.wraps(original)(savepoint), "savepoint")


def _note_savepoint(connection: Any, sid: Any) -> None:
    if sid is None or not connection.in_atomic_block:
        return
    stack = _stack_of(connection) or _first_span(connection)
    if stack is None:
        stack = spans.place.stacks[id(connection)] = _Stack(connection)
    stack.push(sid, len(connection.atomic_blocks))


def _watch_savepoint_end(original: Any) -> Any:
    """Of ``savepoint_commit()`` and ``savepoint_rollback()``."""
    note = _note_release if original.__name__ == "savepoint_commit" else _note_savepoint_rollback

    def end(self: Any, sid: Any) -> Any:
        __traceback_hide__ = True
        answer = original(self, sid)
        if spans.place.stacks:
            _follow(note, self, sid)
        return answer

    return pass_over(functools.wraps(original)(end), original.__name__)


def _note_release(connection: Any, sid: Any) -> None:
    stack = _stack_of(connection)
    index = stack.index_of(sid) if stack is not None else None
    if stack is not None and index is not None:
        del stack.spans[index:]
        if not stack.spans:
            _forget(connection)


def _note_savepoint_rollback(connection: Any, sid: Any) -> None:
    stack = _stack_of(connection)
    # A database without savepoints has done nothing.
    if stack is not None and connection.features.uses_savepoints:
        # One that nobody saw is older than all that is known.
        stack.undo(stack.index_of(sid) or 0)


def _watch_rollback(original: Any) -> Any:
    """Of ``rollback()`` and ``close()``, after which nothing of a transaction is left."""

    def end(self: Any) -> Any:
        __traceback_hide__ = True
        if not spans.place.stacks:
            return original(self)
        is_refused = original.__name__ == "rollback" and self.in_atomic_block
        try:
            return original(self)
        finally:
            if not is_refused:
                _follow(_note_rollback, self)

    return pass_over(functools.wraps(original)(end), original.__name__)


def _note_rollback(connection: Any) -> None:
    stack = _stack_of(connection)
    # SQLite keeps a database in memory open.
    is_open = connection.connection is not None and not connection.closed_in_transaction
    if stack is not None and not (is_open and connection.in_atomic_block):
        stack.undo(0)


# Callbacks

# Django keeps one set of savepoints with each callback, which dies with it: run or thrown away.
_waiting: dict[int, tuple[weakref.ref[Any], CallbackRecord]] = {}
_logger = logging.getLogger("django.db.backends.base")


def _watch_on_commit(original: Any) -> Any:
    def on_commit(self: Any, func: Any, *args: Any, **kwargs: Any) -> Any:
        __traceback_hide__ = True
        node = current.get()
        if node is None and not recording.everywhere:
            return original(self, func, *args, **kwargs)
        if self.in_atomic_block:
            answer = original(self, func, *args, **kwargs)
            _note_registered(self, node, func)
            return answer
        # Run at once, or refused.
        is_robust = (args[0] if args else kwargs.get("robust")) is True
        running = _Running()
        running.begin(_new_callback(self, node, func), is_robust=is_robust)
        try:
            answer = original(self, func, *args, **kwargs)
        except BaseException:
            running.fail()
            raise
        finally:
            running.end()
        return answer

    return pass_over(functools.wraps(original)(on_commit), "on_commit")


def _new_callback(connection: Any, node: Any, func: Any) -> CallbackRecord | None:
    """The record of a callback, kept by the receiver call that registers it."""
    try:
        described = describe_receiver(func)
        record = CallbackRecord(described.name, described.defined_at, connection.alias, clock.now())
        if type(node) is CallRecord and callable(func):
            recorders = node.recorders.running()
            if [each for each in recorders if each.keep_other()]:
                for activity in recording.activities_at(node):
                    activity.callbacks.append(record)
        return record
    except Exception:
        recording.report_fault(node, "to record an on_commit() callback")
        return None


def _note_registered(connection: Any, node: Any, func: Any) -> None:
    record = _new_callback(connection, node, func)
    try:
        savepoints, registered, *_ = connection.run_on_commit[-1]
        if record is None or registered is not func:
            return
        key = id(savepoints)

        def gone(_: object) -> None:
            _waiting.pop(key, None)
            if record.outcome == "waiting" and not record.started:
                record.outcome = "discarded"

        _waiting[key] = weakref.ref(savepoints, gone), record
    except Exception:
        recording.report_fault(node, "to record an on_commit() callback")


def _watch_run(original: Any) -> Any:
    def run_and_clear_commit_hooks(self: Any) -> Any:
        __traceback_hide__ = True
        entries = self.run_on_commit
        if not entries or type(entries) is not list or (_is_idle() and not _waiting):
            return original(self)
        if not self.in_atomic_block and spans.place.stacks:
            _follow(_forget, self)  # The transaction is over; its block ends after the callbacks.
        running = _Running()
        self.run_on_commit = _Callbacks(entries)
        self.run_on_commit.entries, self.run_on_commit.running = entries, running
        try:
            return original(self)
        except BaseException:
            running.fail()
            raise
        finally:
            running.end()
            if type(self.run_on_commit) is _Callbacks:
                self.run_on_commit = entries

    return pass_over(functools.wraps(original)(run_and_clear_commit_hooks), original.__name__)


class _Callbacks(list[Any]):
    """Django's list of callbacks while its own loop takes one after the other from it."""

    __slots__ = ("entries", "running")

    entries: list[Any]
    running: _Running

    def pop(self, index: Any = -1) -> Any:
        entry = super().pop(index)
        self.running.end()
        self.running.begin_next(entry, self.entries)
        return entry


class _Running:
    """The callback of a connection that runs, and how it ends."""

    __slots__ = ("has_failed", "is_robust", "outer", "record", "thread")

    def __init__(self) -> None:
        self.record: CallbackRecord | None = None
        self.is_robust = False
        self.has_failed = False
        self.outer: Any = None
        self.thread = threading.get_ident()

    def begin_next(self, entry: Any, entries: list[Any]) -> None:
        """``entry`` was taken; ``entries`` is the list that others may know it from."""
        try:
            del entries[0]
            savepoints, func, is_robust, *_ = entry
            reference, record = _waiting.get(id(savepoints), (None, None))
            if record is None or reference is None or reference() is not savepoints:
                # Registered before anybody looked: only what it sends is of interest.
                record = CallbackRecord(describe_receiver(func).name, None, "", 0)
            self.begin(record, is_robust=is_robust is True)
        except Exception:
            recording.report_fault(current.get(), "to see an on_commit() callback begin")

    def begin(self, record: CallbackRecord | None, *, is_robust: bool) -> None:
        if record is None:
            return
        try:
            place = spans.place
            self.outer = place.callback, place.node, place.running
            place.callback, place.node, place.running = record.name, current.get(), self
            _note_place()
            self.has_failed, self.is_robust = False, is_robust
            if is_robust:
                # Django catches what it raises, and logs it: nowhere else can that be seen.
                _logger.addFilter(self.note_log)
            self.record = record
            record.started = clock.now()
        except Exception:
            recording.report_fault(current.get(), "to see an on_commit() callback begin")

    def note_log(self, log: logging.LogRecord) -> bool:
        if log.exc_info and threading.get_ident() == self.thread and spans.place.running is self:
            self.has_failed = True
        return True

    def fail(self) -> None:
        self.has_failed = True

    def end(self) -> None:
        record, self.record = self.record, None
        if record is None:
            return
        try:
            record.stopped = clock.now()
            record.outcome = "raised" if self.has_failed else "ran"
            if self.is_robust:
                _logger.removeFilter(self.note_log)
            place = spans.place
            place.callback, place.node, place.running = self.outer
            _note_place()
        except Exception:
            recording.report_fault(current.get(), "to see an on_commit() callback end")


# Install and uninstall

_patches = Patches()

# Atomic and run_and_clear_commit_hooks() are private, and the same in Django 5.2, 6.0 and 6.1.
_DJANGOS_OWN: tuple[tuple[type, str, Any], ...] = (
    (transaction.Atomic, "__enter__", _watch_enter),
    (transaction.Atomic, "__exit__", _watch_exit),
    (BaseDatabaseWrapper, "savepoint", _watch_savepoint),
    (BaseDatabaseWrapper, "savepoint_commit", _watch_savepoint_end),
    (BaseDatabaseWrapper, "savepoint_rollback", _watch_savepoint_end),
    (BaseDatabaseWrapper, "rollback", _watch_rollback),
    (BaseDatabaseWrapper, "close", _watch_rollback),
    (BaseDatabaseWrapper, "on_commit", _watch_on_commit),
    (BaseDatabaseWrapper, "run_and_clear_commit_hooks", _watch_run),
)


def install() -> None:
    """Watch the transactions of all connections, from now until ``uninstall()``. Idempotent."""
    for cls, name, watch in _DJANGOS_OWN:
        _patches.replace(cls, name, watch)


def uninstall() -> None:
    """Put back what is still ours; see ``Patches.restore``."""
    _patches.restore()
    spans.leave_places()
    _waiting.clear()
