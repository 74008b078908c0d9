"""The callbacks of ``on_commit()`` are watched: registered, run or thrown away.

They stay the user's own, in Django's own list, until they run.
"""

from __future__ import annotations

import functools
import logging
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from signal_tracer.collecting import clock, nodes, savepoints
from signal_tracer.collecting.nodes import CallRecord, current, fenced
from signal_tracer.collecting.patching import Replacement, Watcher, hide_file, hide_from_stacklevel
from signal_tracer.collecting.reading import Reading
from signal_tracer.collecting.watching.transactions import follow, forget, is_idle, note_place
from signal_tracer.describing.names import describe_receiver, module_namespace
from signal_tracer.records import CallbackOutcome, Location, OnCommit

hide_file(__file__)


class CallbackRecord:
    """A callback that was registered with ``on_commit()``."""

    __slots__ = (
        "alias",
        "defined_at",
        "name",
        "outcome",
        "registered",
        "started",
        "stopped",
        "waits_for_test",
        "was_logged",
    )

    def __init__(self, name: str, defined_at: Location | None, alias: str, registered: int) -> None:
        self.name = name
        self.defined_at = defined_at
        self.alias = alias
        self.registered = registered
        self.outcome: CallbackOutcome = "waiting"
        self.started = 0
        self.stopped = 0
        self.waits_for_test = False
        self.was_logged = False


class Callbacks(list[CallbackRecord]):
    """Those that a receiver call registered."""

    __slots__ = ()

    def read(self, reading: Reading) -> dict[str, Any]:
        return {
            "on_commit": [
                OnCommit(
                    callback=each.name,
                    alias=each.alias,
                    defined_at=each.defined_at,
                    registered_at=reading.since_start(each.registered),
                    outcome=each.outcome,
                    ran_at=reading.since_start(each.started) if each.started else None,
                    duration=reading.seconds(each.started, each.stopped) if each.started else 0.0,
                    waits_for_test=each.waits_for_test,
                    was_logged=each.was_logged,
                )
                for each in self[:]
                if each.registered <= reading.until
            ]
        }


# Django keeps one set of savepoints with each callback, which dies with it: run or thrown away.
_waiting: dict[int, tuple[weakref.ref[Any], CallbackRecord]] = {}
# Where Django 5.2, 6.0 and 6.1 log what a robust callback raises.
_logger = logging.getLogger("django.db.backends.base")
# The same of a callback that a test runs itself.
_logger_of_tests = logging.getLogger("django.test")
_CAPTURE = "captureOnCommitCallbacks"


def _watch_on_commit(original: Any) -> Any:
    def on_commit(self: Any, func: Any, *args: Any, **kwargs: Any) -> Any:
        __traceback_hide__ = __tracebackhide__ = True
        node = current.get()
        if node is None and nodes.everywhere is None:
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

    return hide_from_stacklevel(functools.wraps(original)(on_commit), "on_commit")


@fenced("to record an on_commit() callback")
def _new_callback(connection: Any, node: Any, func: Any) -> CallbackRecord | None:
    """The record of a callback, kept by the receiver call that registers it."""
    described = describe_receiver(func)
    record = CallbackRecord(described.name, described.defined_at, connection.alias, clock.now())
    if type(node) is CallRecord and callable(func):
        is_wanted = [each.keep_other() for each in node.recorders]  # Each counts what it lacks.
        if any(is_wanted):
            for activity in nodes.activities_at(node):
                activity[Callbacks].append(record)
    return record


@fenced("to record an on_commit() callback")
def _note_registered(connection: Any, node: Any, func: Any) -> None:
    record = _new_callback(connection, node, func)
    # Private, and the same in Django 5.2, 6.0 and 6.1: (savepoint ids, callback, robust).
    savepoints, registered, *_ = connection.run_on_commit[-1]
    if record is None or registered is not func:
        return
    # Not documented, and the same in Django 5.2, 6.0 and 6.1: _from_testcase.
    blocks = connection.atomic_blocks
    record.waits_for_test = not _capturing.get() and any(each._from_testcase for each in blocks)
    key = id(savepoints)

    def gone(_: object) -> None:
        _waiting.pop(key, None)
        if record.outcome == "waiting" and not record.started:
            record.outcome = "discarded"

    _waiting[key] = weakref.ref(savepoints, gone), record


def _watch_run(original: Any) -> Any:
    def run_and_clear_commit_hooks(self: Any) -> Any:
        __traceback_hide__ = __tracebackhide__ = True
        entries = self.run_on_commit
        if not entries or type(entries) is not list or (is_idle() and not _waiting):
            return original(self)
        if not self.in_atomic_block and savepoints.thread.stacks:
            follow(forget, self)  # The transaction is over; its block ends after the callbacks.
        running = _Running()
        self.run_on_commit = _Entries(entries)
        self.run_on_commit.entries, self.run_on_commit.running = entries, running
        try:
            return original(self)
        except BaseException:
            running.fail()
            _note_left_out(entries)
            raise
        finally:
            running.end()
            if type(self.run_on_commit) is _Entries:
                self.run_on_commit = entries

    return hide_from_stacklevel(
        functools.wraps(original)(run_and_clear_commit_hooks), original.__name__
    )


@fenced("to see which on_commit() callbacks do not run")
def _note_left_out(entries: list[Any]) -> None:
    """The callbacks after one that raised: Django forgets them, though it has committed."""
    for held, *_ in entries:
        reference, record = _waiting.get(id(held), (None, None))
        if record is not None and reference is not None and reference() is held:
            record.outcome = "not_run"


class _Entries(list[Any]):
    """Django's list of callbacks while its own loop takes one after the other from it."""

    __slots__ = ("entries", "running")

    entries: list[Any]
    running: _Running

    def pop(self, index: Any = -1) -> Any:
        entry = super().pop(index)
        self.running.end()
        self.note_taken()
        self.running.begin_entry(entry)
        return entry

    @fenced("to see an on_commit() callback begin")
    def note_taken(self) -> None:
        """Others may know the list that this one stands in the place of."""
        del self.entries[0]


class _Running:
    """The callback of a connection that runs, and how it ends."""

    __slots__ = ("has_failed", "is_robust", "logger", "outer", "record", "thread", "was_logged")

    def __init__(self, logger: logging.Logger = _logger) -> None:
        self.logger = logger
        self.record: CallbackRecord | None = None
        self.is_robust = False
        self.has_failed = False
        self.was_logged = False
        self.outer: Any = None
        self.thread = threading.get_ident()

    @fenced("to see an on_commit() callback begin")
    def begin_entry(self, entry: Any, *, is_by_test: bool = False) -> None:
        savepoints, func, is_robust, *_ = entry
        reference, record = _waiting.get(id(savepoints), (None, None))
        if record is None or reference is None or reference() is not savepoints:
            # Registered before anybody looked: only what it sends is of interest.
            record = CallbackRecord(describe_receiver(func).name, None, "", 0)
        record.waits_for_test = record.waits_for_test or is_by_test
        self.begin(record, is_robust=is_robust is True)

    @fenced("to see an on_commit() callback begin")
    def begin(self, record: CallbackRecord | None, *, is_robust: bool) -> None:
        if record is None:
            return
        place = savepoints.thread
        self.outer = place.callback, place.node, place.running
        self.record, self.is_robust = record, is_robust
        self.has_failed = self.was_logged = False
        place.callback, place.node, place.running = record.name, current.get(), self
        note_place()
        if is_robust:
            # Django catches what it raises, and logs it: nowhere else can that be seen.
            self.logger.addFilter(self.note_log)
        record.started = clock.now()

    def note_log(self, log: logging.LogRecord) -> bool:
        if (
            log.exc_info
            and threading.get_ident() == self.thread
            and savepoints.thread.running is self
        ):
            self.has_failed = self.was_logged = True
        return True

    def fail(self) -> None:
        self.has_failed = True

    def end(self) -> None:
        record, self.record = self.record, None
        if record is None:
            return
        # First what must not stay behind, wherever the rest fails.
        place = savepoints.thread
        place.callback, place.node, place.running = self.outer
        self._note_end(record)

    @fenced("to see an on_commit() callback end")
    def _note_end(self, record: CallbackRecord) -> None:
        if self.is_robust:
            self.logger.removeFilter(self.note_log)
        record.stopped = clock.now()
        record.outcome = "raised" if self.has_failed else "ran"
        record.was_logged = self.was_logged
        note_place()


# Whether a test collects the callbacks that are registered now, and perhaps runs them itself.
_capturing: ContextVar[bool] = ContextVar("signal_tracer.capturing", default=False)


# A class method takes no weak reference, so that Patches cannot know it: Django's own, and ours.
_capture: tuple[Any, Any] | None = None


def _test_case() -> Any:
    """Django's, where there are tests."""
    return module_namespace(sys.modules.get("django.test.testcases")).get("TestCase")


@fenced("to know of callbacks that a test collects")
def _watch_capture() -> None:
    global _capture
    theirs = vars(_test_case()).get(_CAPTURE) if _test_case() is not None else None
    if type(theirs) is not classmethod or (_capture is not None and theirs is _capture[1]):
        return

    # As a decorator, a context manager makes itself anew for each call.
    @contextmanager
    @functools.wraps(theirs.__func__)
    def capture(cls: Any, /, *args: Any, **kwargs: Any) -> Any:
        return _capturing_in(theirs.__get__(None, cls)(*args, **kwargs), **kwargs)

    _capture = theirs, classmethod(capture)
    setattr(_test_case(), _CAPTURE, _capture[1])


def _capturing_in(
    block: Any, *, using: Any = DEFAULT_DB_ALIAS, execute: Any = False
) -> Iterator[Any]:
    """``block`` is Django's, with what it was given: at its end it runs what it has collected."""
    __traceback_hide__ = __tracebackhide__ = True
    executed: _Executed | None = None
    try:
        with block as callbacks:
            was_capturing = _capturing.get()
            _capturing.set(True)
            try:
                yield callbacks
            finally:
                # Not by a token: it may be left in another context, as what a test has cleaned up.
                _capturing.set(was_capturing)
                if execute:
                    executed = _executed_on(using)
    except BaseException:
        if executed is not None:
            executed.running.fail()
        raise
    finally:
        if executed is not None:
            executed.end()


@fenced("to see which on_commit() callbacks a test runs")
def _executed_on(alias: Any) -> _Executed | None:
    connection: Any = connections[alias]
    if type(connection.run_on_commit) is not list or (is_idle() and not _waiting):
        return None
    executed = _Executed(connection.run_on_commit)
    executed.connection, executed.entries = connection, connection.run_on_commit
    executed.running = _Running(_logger_of_tests)
    connection.run_on_commit = executed
    return executed


class _Executed(list[Any]):
    """Django's list of callbacks while a test runs those that it has collected.

    It takes them by a slice, again and again, and each stays in the list: the same in Django 5.2,
    6.0 and 6.1.
    """

    __slots__ = ("connection", "entries", "running")

    connection: Any
    entries: list[Any]
    running: _Running

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        return _InTurn(found, self.running) if type(index) is slice else found

    def end(self) -> None:
        self.running.end()
        self.give_back()

    @fenced("to see that a test has run its on_commit() callbacks")
    def give_back(self) -> None:
        # What a callback rolled back has made a list of its own.
        if self.connection.run_on_commit is self:
            self.entries[:] = self
            self.connection.run_on_commit = self.entries


class _InTurn(list[Any]):
    """Callbacks that a loop calls one after the other."""

    __slots__ = ("running",)

    def __init__(self, entries: list[Any], running: _Running) -> None:
        super().__init__(entries)
        self.running = running

    def __iter__(self) -> Iterator[Any]:
        for entry in super().__iter__():
            self.running.begin_entry(entry, is_by_test=True)
            yield entry
            self.running.end()


def _forget() -> None:
    global _capture
    if _capture is not None and vars(_test_case()).get(_CAPTURE) is _capture[1]:
        setattr(_test_case(), _CAPTURE, _capture[0])
        _capture = None
    _waiting.clear()


def _replacements() -> Iterator[Replacement]:
    _watch_capture()
    yield BaseDatabaseWrapper, "on_commit", _watch_on_commit
    # Private, and the same in Django 5.2, 6.0 and 6.1.
    yield BaseDatabaseWrapper, "run_and_clear_commit_hooks", _watch_run


WATCHER = Watcher(_replacements, forget=_forget)
