"""Transactions are watched: what ran inside one, and what was undone.

Followed is what the database is told, not what the code of a block meant to do: a
``Savepoint`` is a stretch of work that is undone together, from a ``BEGIN`` or a ``SAVEPOINT`` on.
A dispatch keeps those that it was sent in: of the database that it is about, or of all if it names
none. The atomic blocks that Django's ``TestCase`` puts around each test do not count: to the code
under test they are not there.
"""

from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from signal_tracer.collecting import nodes, savepoints
from signal_tracer.collecting.nodes import current, fenced
from signal_tracer.collecting.patching import Replacement, Watcher, hide_file, hide_from_stacklevel
from signal_tracer.collecting.savepoints import Here, Savepoint
from signal_tracer.describing.frames import find_sender_frame
from signal_tracer.describing.ownership import owner_of_file, project_packages

hide_file(__file__)


class _Stack:
    """The open savepoints of one connection in its thread, the innermost last."""

    __slots__ = ("alias", "connection", "outermost", "savepoints")

    outermost: Savepoint

    def __init__(self, connection: Any) -> None:
        self.connection = weakref.ref(connection)
        self.alias: str = connection.alias
        self.savepoints: list[Savepoint] = []

    def push(self, sid: str | None, depth: int) -> None:
        savepoint = Savepoint(
            self.alias, self.savepoints[-1] if self.savepoints else None, sid, depth
        )
        if not self.savepoints:
            self.outermost = savepoint
        self.savepoints.append(savepoint)

    def index_of(self, sid: Any) -> int | None:
        for index, savepoint in enumerate(self.savepoints):
            if savepoint.sid == sid:
                return index
        return None

    def undo(self, first: int) -> None:
        """All since this savepoint began is undone; what comes next is in a new one like it."""
        undone = self.savepoints[first]
        undone.is_rolled_back = True
        undone.is_trial = savepoints.thread.is_trial
        del self.savepoints[first:]
        self.push(undone.sid, undone.depth)


def is_idle() -> bool:
    """Nobody traces here, and no savepoint is known that would have to be closed."""
    return current.get() is None and nodes.everywhere is None and not savepoints.thread.stacks


def _stack_of(connection: Any) -> _Stack | None:
    stack: _Stack | None = savepoints.thread.stacks.get(id(connection))
    return stack if stack is not None and stack.connection() is connection else None


def _first_savepoint(connection: Any) -> _Stack | None:
    """A stack for the blocks that were open before anybody looked, unless they are a test's."""
    depth = 1
    # Not documented, and the same in Django 5.2, 6.0 and 6.1: what a connection knows of its
    # blocks and savepoints, and _from_testcase, which TestCase sets on those around a test.
    for block in connection.atomic_blocks:
        if not block._from_testcase:
            stack = _Stack(connection)
            stack.push(None, depth)
            savepoints.thread.stacks[id(connection)] = stack
            return stack
        depth += 1
    return None


def forget(connection: Any) -> None:
    stack = savepoints.thread.stacks.pop(id(connection), None)
    if stack is not None:
        stack.outermost.is_over = True


def note_place() -> None:
    """What the dispatches of this thread are to remember from now on."""
    place = savepoints.thread
    innermost = tuple(stack.savepoints[-1] for stack in place.stacks.values() if stack.savepoints)
    # Not documented, and the same in Django 5.2, 6.0 and 6.1: a dict by alias.
    aliases = connections.settings
    here = Here(innermost, aliases) if innermost else None
    if place.callback is not None:
        here = Here(innermost, aliases, place.callback, place.node, here)
    savepoints.remember(here)


@fenced("to see the open transactions")
def _look_around(recorder: Any) -> None:
    """Note the atomic blocks that are open in this thread when a trace begins."""
    if not settings.configured:  # and so there are no databases
        return
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            forget(connection)  # Its end was missed, at the recursion limit.
        elif _stack_of(connection) is None:
            _first_savepoint(connection)
    note_place()


def follow(note: Any, *args: Any) -> None:
    if not savepoints.thread.is_tests:
        _follow(note, *args)


@fenced("to follow a transaction")
def _follow(note: Any, *args: Any) -> None:
    note(*args)
    note_place()


# Atomic blocks


def _watch_enter(original: Any) -> Any:
    def __enter__(self: Any) -> Any:  # noqa: N807  # stands for Django's
        __traceback_hide__ = __tracebackhide__ = True
        if is_idle():
            return original(self)
        place = savepoints.thread
        before, place.is_tests = place.is_tests, getattr(self, "_from_testcase", False)
        try:
            entered = original(self)
            follow(_note_enter, self)
        finally:
            place.is_tests = before
        return entered

    return hide_from_stacklevel(functools.wraps(original)(__enter__), "__enter__")


def _watch_exit(original: Any) -> Any:
    def __exit__(self: Any, *error: Any) -> Any:  # noqa: N807  # stands for Django's
        __traceback_hide__ = __tracebackhide__ = True
        place = savepoints.thread
        if not place.stacks:
            return original(self, *error)
        before, place.is_tests = place.is_tests, getattr(self, "_from_testcase", False)
        place.is_trial = _is_trial(self, error, sys._getframe(1))
        try:
            return original(self, *error)
        finally:
            place.is_tests = before
            follow(_note_exit, self)
            place.is_trial = False

    return hide_from_stacklevel(functools.wraps(original)(__exit__), "__exit__")


@fenced("to see why a transaction is rolled back")
def _is_trial(block: Any, error: Any, frame: Any) -> bool:
    """Whether a package undoes on purpose what it did: no exception leaves its own block.

    So does django-import-export, to show what an import would change.
    """
    if error[0] is not None or not transaction.get_connection(block.using).needs_rollback:
        return False
    site = find_sender_frame(frame)
    owner = site and owner_of_file(site.f_code.co_filename, project_packages())
    return owner is not None and owner.kind == "package" and owner.name != "Python"


def _note_enter(block: Any) -> None:
    connection = transaction.get_connection(block.using)
    stack = _stack_of(connection)
    if stack is None:
        _first_savepoint(connection)
    elif (innermost := stack.savepoints[-1]).sid is not None and (
        innermost.sid == connection.savepoint_ids[-1]
    ):
        innermost.depth = len(connection.atomic_blocks)  # Its savepoint was noted before.


def _note_exit(block: Any) -> None:
    connection = transaction.get_connection(block.using)
    stack = _stack_of(connection)
    if stack is None:
        return
    last = stack.savepoints[0]
    while stack.savepoints and stack.savepoints[-1].depth > len(connection.atomic_blocks):
        stack.savepoints.pop()
    if not stack.savepoints:
        is_doomed = connection.in_atomic_block and connection.needs_rollback
        if is_doomed and not block._from_testcase:
            last.is_rolled_back = True  # Inside a test's own block, which can now only roll back.
        forget(connection)


# Savepoints, rollbacks, lost connections


def _watch_savepoint(original: Any) -> Any:
    def savepoint(self: Any) -> Any:
        __traceback_hide__ = __tracebackhide__ = True
        sid = original(self)
        if not is_idle():
            follow(_note_savepoint, self, sid)
        return sid

    return hide_from_stacklevel(functools.wraps(original)(savepoint), "savepoint")


def _note_savepoint(connection: Any, sid: Any) -> None:
    if sid is None or not connection.in_atomic_block:
        return
    stack = _stack_of(connection) or _first_savepoint(connection)
    if stack is None:
        stack = savepoints.thread.stacks[id(connection)] = _Stack(connection)
    stack.push(sid, len(connection.atomic_blocks))


def _watch_savepoint_end(original: Any) -> Any:
    """Of ``savepoint_commit()`` and ``savepoint_rollback()``."""
    note = _note_release if original.__name__ == "savepoint_commit" else _note_savepoint_rollback

    def end(self: Any, sid: Any) -> Any:
        __traceback_hide__ = __tracebackhide__ = True
        answer = original(self, sid)
        if savepoints.thread.stacks:
            follow(note, self, sid)
        return answer

    return hide_from_stacklevel(functools.wraps(original)(end), original.__name__)


def _note_release(connection: Any, sid: Any) -> None:
    stack = _stack_of(connection)
    index = stack.index_of(sid) if stack is not None else None
    if stack is not None and index is not None:
        del stack.savepoints[index:]
        if not stack.savepoints:
            forget(connection)


def _note_savepoint_rollback(connection: Any, sid: Any) -> None:
    stack = _stack_of(connection)
    # Not documented, and the same in Django 5.2, 6.0 and 6.1: uses_savepoints.
    # A database without savepoints has done nothing.
    if stack is not None and connection.features.uses_savepoints:
        # One that nobody saw is older than all that is known.
        stack.undo(stack.index_of(sid) or 0)


def _watch_rollback(original: Any) -> Any:
    """Of ``rollback()`` and ``close()``, after which nothing of a transaction is left."""

    def end(self: Any) -> Any:
        __traceback_hide__ = __tracebackhide__ = True
        if not savepoints.thread.stacks:
            return original(self)
        is_refused = original.__name__ == "rollback" and self.in_atomic_block
        try:
            return original(self)
        finally:
            if not is_refused:
                follow(_note_rollback, self)

    return hide_from_stacklevel(functools.wraps(original)(end), original.__name__)


def _note_rollback(connection: Any) -> None:
    stack = _stack_of(connection)
    # SQLite keeps a database in memory open.
    is_open = connection.connection is not None and not connection.closed_in_transaction
    if stack is not None and not (is_open and connection.in_atomic_block):
        stack.undo(0)


def _replacements() -> Iterator[Replacement]:
    # Atomic is private, and the same in Django 5.2, 6.0 and 6.1.
    yield transaction.Atomic, "__enter__", _watch_enter
    yield transaction.Atomic, "__exit__", _watch_exit
    yield BaseDatabaseWrapper, "savepoint", _watch_savepoint
    yield BaseDatabaseWrapper, "savepoint_commit", _watch_savepoint_end
    yield BaseDatabaseWrapper, "savepoint_rollback", _watch_savepoint_end
    yield BaseDatabaseWrapper, "rollback", _watch_rollback
    yield BaseDatabaseWrapper, "close", _watch_rollback


WATCHER = Watcher(_replacements, start=_look_around, forget=savepoints.forget_all)
