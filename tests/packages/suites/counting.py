"""Counts dispatches and receiver calls over a run of tests, by the interpreter's own events.

A plugin of pytest for a process that has no signal_tracer in it: nothing of it is used here, and
nothing of Django is replaced. ``sys.monitoring`` tells when Django's own ``send`` begins, what it
calls, and when it goes on to its next line; names are looked for by functions of this file.

    python -m pytest -p counting --count-signals=FILE
"""

from __future__ import annotations

import ast
import functools
import inspect
import json
import sys
import textwrap
import threading
import types
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model, signals
from django.dispatch import Signal
from django.test.testcases import TestCase

EVENTS = sys.monitoring.events
TOOL = sys.monitoring.PROFILER_ID
OUTSIDE = "no test"

SENDING = {Signal.send.__code__, Signal.send_robust.__code__}
SENDING_ASYNC = {Signal.asend.__code__, Signal.asend_robust.__code__}
REGISTERING = BaseDatabaseWrapper.on_commit.__code__
# What runs the callbacks of a transaction: now, when it is committed, or when a test says so.
RUNNING_CALLBACKS = {
    REGISTERING,
    BaseDatabaseWrapper.run_and_clear_commit_hooks.__code__,
    TestCase.captureOnCommitCallbacks.__func__.__wrapped__.__code__,
}
ASKING = Signal.has_listeners.__code__


def lines_that_call(code: types.CodeType) -> dict[int, str]:
    """The variables that the function calls, without what functions inside it do, by line.

    ``CALL`` events would be the obvious way: there are none for ``receiver(**named)``.
    """
    calls = {}
    waiting: list[ast.AST] = ast.parse(textwrap.dedent(inspect.getsource(code))).body[0].body
    for node in waiting:  # It grows.
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            calls[code.co_firstlineno + node.lineno - 1] = node.func.id
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting += ast.iter_child_nodes(node)
    called = ("receiver", "func", "callback")
    return {line: name for line, name in calls.items() if name in called}


CALLING = {code: lines_that_call(code) for code in (*SENDING, *RUNNING_CALLBACKS)}


# Names


def name_of_class(cls: type) -> str:
    if issubclass(cls, Model) and hasattr(cls, "_meta"):
        return cls._meta.label + " of a migration" * (cls.__module__ == "__fake__")
    return (
        cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
    )


def name_of_sender(sender: Any) -> str:
    if sender is None:
        return "None"
    if isinstance(sender, str):
        return repr(sender)
    if isinstance(sender, types.FunctionType):
        return name_of_callable(sender)
    return name_of_class(sender if isinstance(sender, type) else type(sender))


def name_of_callable(each: Any) -> str:
    if isinstance(each, functools.partial):
        return f"partial({name_of_callable(each.func)})"
    if isinstance(each, type):
        return name_of_class(each)
    if isinstance(each, types.FunctionType | types.MethodType):
        return f"{each.__module__}.{each.__qualname__}"
    return f"{name_of_class(type(each))}()"


def names_of_signals() -> dict[int, set[str]]:
    """By id, every name by which a module, or a class of one, has a signal."""
    found: dict[int, set[str]] = defaultdict(set)
    for module_name, module in list(sys.modules.items()):
        for name, value in list(getattr(module, "__dict__", {}).items()):
            if issubclass(type(value), Signal):
                found[id(value)].add(f"{module_name}.{name}")
            elif issubclass(type(value), type):
                for attribute, inner in list(vars(value).items()):
                    if issubclass(type(inner), Signal):
                        path = f"{value.__module__}.{value.__qualname__}.{attribute}"
                        found[id(inner)].add(path)
    return found


# What runs


class Running:
    """A call of ``send()``, or of what runs callbacks, that has not ended yet."""

    def __init__(self, key: tuple[int, str] | None = None) -> None:
        self.key = key
        self.is_heard = False
        # What it is calling at this moment.
        self.receiver: tuple[int, str, str] | None = None
        self.callback: Registered | None = None


class Registered:
    """A callback, and the receiver call that gave it to ``on_commit()``."""

    def __init__(self, callback: Any, by: tuple[Any, ...] | None) -> None:
        self.callback = callback
        self.by = by


class Counting:
    def __init__(self) -> None:
        self.of_thread = threading.local()
        self.signals: dict[int, Signal] = {}
        self.registered: dict[int, list[Registered]] = defaultdict(list)
        # What was counted since it was last known which test or fixture did it.
        self.unsettled: Counter[tuple[Any, ...]] = Counter()
        self.counts: dict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
        self.not_followed: set[str] = set()

    @property
    def stack(self) -> list[Running]:
        try:
            return self.of_thread.stack
        except AttributeError:
            self.of_thread.stack = []
            return self.of_thread.stack

    def count(self, *key: Any) -> None:
        self.unsettled[key] += 1

    def settle(self, where: str) -> None:
        for key, number in self.unsettled.items():
            self.counts[key][where] += number
        self.unsettled.clear()

    # Of a dispatch

    def begins(self, code: types.CodeType, _: int) -> None:
        if code in SENDING:
            local = sys._getframe(1).f_locals
            signal, sender = local["self"], local["sender"]
            self.signals[id(signal)] = signal
            self.stack.append(Running((id(signal), name_of_sender(sender))))
            self.count("dispatch", *self.stack[-1].key)
        elif code in SENDING_ASYNC:
            if sys._getframe(1).f_locals["self"].receivers:
                self.not_followed.add("asend")
        elif code is REGISTERING:
            func = sys._getframe(1).f_locals["func"]
            self.registered[id(func)].append(Registered(func, self.current()))
            self.stack.append(Running())
        elif code in RUNNING_CALLBACKS:
            self.stack.append(Running())

    def goes_on(self, code: types.CodeType, _: int) -> None:
        self.stack.append(Running())

    def is_at_a_line(self, code: types.CodeType, line: int) -> None:
        running = self.stack[-1]
        running.receiver = running.callback = None
        variable = CALLING[code].get(line)
        if variable is not None:
            self.will_call(running, sys._getframe(1).f_locals[variable])

    def will_call(self, running: Running, called: Any) -> None:
        if running.key is None:
            waiting = self.registered[id(called)]
            running.callback = waiting.pop(0) if waiting else None
            return
        if not running.is_heard:
            running.is_heard = True
            self.count("heard", *running.key)
            by = self.current()
            if by is not None:
                self.count("sending", *by[:3], *running.key, by[3])
        running.receiver = (*running.key, name_of_callable(called))
        self.count("call", *running.receiver)

    def ends(self, *_: Any) -> None:
        self.stack.pop()

    def unwinds(self, code: types.CodeType, _: int, error: BaseException) -> None:
        if code in SENDING or code in RUNNING_CALLBACKS:
            running = self.stack.pop()
            if running.receiver:
                self.count("raised", *running.receiver)

    def handles(self, code: types.CodeType, _: int, error: BaseException) -> None:
        if code in SENDING and self.stack[-1].receiver:
            self.count("swallowed", *self.stack[-1].receiver)
            self.stack[-1].receiver = None

    def answers(self, frame: types.FrameType, answer: bool) -> None:
        """Django asks first whether anybody hears ``m2m_changed``, and sends nothing if not."""
        signal = frame.f_locals["self"]
        if signal is signals.m2m_changed and not answer:
            self.signals[id(signal)] = signal
            self.count("asked", id(signal), name_of_sender(frame.f_locals["sender"]))

    def current(self) -> tuple[Any, ...] | None:
        """The receiver call that whatever happens now belongs to, and the callback between."""
        callback = ""
        for running in reversed(self.stack):
            if running.receiver:
                return *running.receiver, callback
            if running.callback and not callback:
                callback = name_of_callable(running.callback.callback)
                if running.callback.by:
                    return *running.callback.by[:3], callback
        return None

    # Of the interpreter

    @classmethod
    def watching(cls) -> Counting:
        counting = cls()
        sys.monitoring.use_tool_id(TOOL, "counting")
        callbacks: dict[int, Callable[..., Any]] = {
            EVENTS.PY_START: counting.begins,
            EVENTS.PY_RESUME: counting.goes_on,
            EVENTS.PY_RETURN: counting.returns,
            EVENTS.PY_YIELD: counting.ends,
            EVENTS.LINE: counting.is_at_a_line,
            EVENTS.PY_UNWIND: counting.unwinds,
            EVENTS.EXCEPTION_HANDLED: counting.handles,
        }
        for event, callback in callbacks.items():
            sys.monitoring.register_callback(TOOL, event, callback)
        within = EVENTS.PY_START | EVENTS.PY_RETURN | EVENTS.LINE
        for code in (*SENDING, *RUNNING_CALLBACKS):
            sys.monitoring.set_local_events(TOOL, code, within | EVENTS.PY_RESUME | EVENTS.PY_YIELD)
        for code in SENDING_ASYNC:
            sys.monitoring.set_local_events(TOOL, code, EVENTS.PY_START)
        sys.monitoring.set_local_events(TOOL, ASKING, EVENTS.PY_RETURN)
        # Of all code: there are no others for exceptions.
        sys.monitoring.set_events(TOOL, EVENTS.PY_UNWIND | EVENTS.EXCEPTION_HANDLED)
        return counting

    def returns(self, code: types.CodeType, offset: int, value: Any) -> None:
        if code is ASKING:
            self.answers(sys._getframe(1), value)
        elif code not in SENDING_ASYNC:
            self.ends()

    def result(self) -> dict[str, Any]:
        names = names_of_signals()

        def spelled(key: tuple[Any, ...]) -> Iterator[str]:
            for each in key:
                if isinstance(each, int):
                    yield "|".join(sorted(names.get(each, {"?"})))
                else:
                    yield each

        return {
            "not_followed": sorted(self.not_followed),
            "counts": [[[*spelled(key)], by_test] for key, by_test in self.counts.items()],
        }


# Of pytest


class CountingTests:
    """Fixtures that tests share are counted apart: who sets them up depends on who comes first."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.counting = Counting.watching()
        self.test = OUTSIDE
        self.is_set_up: set[pytest.FixtureDef[Any]] = set()

    def pytest_sessionfinish(self) -> None:
        sys.monitoring.set_events(TOOL, 0)
        self.file.write_text(json.dumps(self.counting.result()))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        self.counting.settle(OUTSIDE)
        self.test = item.nodeid
        try:
            return (yield)
        finally:
            self.counting.settle(self.test)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, Any, Any]:
        if fixturedef.scope == "function" or (fixturedef.scope == "class" and not request.cls):
            return (yield)
        self.counting.settle(self.test)
        outer, self.test = self.test, name_of_fixture(fixturedef)
        self.is_set_up.add(fixturedef)
        try:
            return (yield)
        finally:
            self.counting.settle(self.test)
            self.test = outer

    @pytest.hookimpl(tryfirst=True)
    def pytest_fixture_post_finalizer(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        if fixturedef in self.is_set_up:
            self.is_set_up.discard(fixturedef)
            self.counting.settle(f"{name_of_fixture(fixturedef)}, torn down")
        elif fixturedef.scope == "function":
            self.counting.settle(self.test)


def name_of_fixture(fixturedef: pytest.FixtureDef[Any]) -> str:
    of = f" of {fixturedef.baseid}" if fixturedef.baseid else ""
    return f"the {fixturedef.scope} fixture {fixturedef.argname}{of}"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--count-signals", type=Path, metavar="FILE")


def pytest_configure(config: pytest.Config) -> None:
    file = config.getoption("count_signals")
    if file is not None:
        config.pluginmanager.register(CountingTests(file))
