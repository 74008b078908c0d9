"""Whatever of ours fails inside a dispatch, the traced code goes on, and a log says so."""

import asyncio
import contextvars
import datetime
import functools
import importlib
import inspect
import itertools
import logging
import pkgutil
import sys
import threading
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
from asgiref.sync import markcoroutinefunction
from django.contrib.auth.models import User
from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.models.signals import m2m_changed
from django.dispatch import Signal
from django.test import override_settings
from observing import is_ours

from signal_tracer import collecting, describing, trace_signals
from signal_tracer.collecting import counting, muting, nodes, routes
from signal_tracer.describing import frames, names, ownership, values
from signal_tracer.testing import SignalTrace
from signal_tracer.tracer import uninstall

# Of these other tests tell: they run at the start, at the end or around a query set.
ELSEWHERE = {"bulk", "callbacks", "exceptions", "inlining", "reading", "transactions", "veiling"}
MODULES = tuple(
    importlib.import_module(each.name)
    for wing in (describing, collecting)
    for each in pkgutil.walk_packages(wing.__path__, f"{wing.__name__}.")
    if each.name.rpartition(".")[2] not in ELSEWHERE
)

# Stand around Django's functions and the receivers, and do nothing but call what is fenced.
WRAPPERS = {
    "counting.CountedReceivers.__iter__",
    "counting._counted",
    "dispatches._unwatch",
    "receivers.Closing.__del__",
    "receivers.Closing.__init__",
    "receivers.WatchedAsyncReceivers.__iter__",
    "receivers.WatchedReceiver.__call__",
    "receivers.WatchedReceiver._call",
    "receivers.WatchedReceiver.__init__",
    "receivers.WatchedReceivers.__iter__",
    "receivers._calls",
    "receivers._run",
    "driving.drive",
    "receivers.name_like",
    "signals.Site.__init__",
    "signals._asend",
    "signals._watch_new_subclass",
}
# Called where a test begins or ends a mute.
MUTING = {"muting.Block.__init__", "muting._running", "muting.enter", "muting.leave"}
# Called when an object dies, where an exception disturbs nobody.
CALLBACKS = {"names.IdentityCache._forget"}
# Hold the `try` that the rest runs in.
FENCES = {
    "counting._note",
    "dispatches._count_calls",
    "dispatches.bear_witness",
    "dispatches.close_dispatch",
    "dispatches.fail_dispatch",
    "dispatches.note_responses",
    "dispatches.open_dispatch",
    "queries._note",
    "receivers._fail",
    "receivers._hand_over",
    "receivers._swallow",
    "receivers._swallowed_by",
    "nodes.report_fault",
    "signals._is_nothing_to_see",
    "signals._site_of",
}


WHEN = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
SETTINGS = {"MAX_DISPATCHES": 60, "EXCLUDE_SIGNALS": ["*excluded*"]}


class Fault(Exception):
    """What is made to happen in our functions."""


def functions(
    modules: tuple[types.ModuleType, ...] = MODULES,
) -> dict[types.CodeType, tuple[str, Any]]:
    """Every plain function and method of these modules, by its code; of a fenced one, what is
    within the fence.
    """
    found: dict[types.CodeType, tuple[str, Any]] = {}
    for module in modules:
        short = module.__name__.rpartition(".")[2]
        for name, value in vars(module).items():
            if isinstance(value, types.FunctionType) and value.__module__ == module.__name__:
                value = inspect.unwrap(value)
                found[value.__code__] = (f"{short}.{name}", value)
            elif isinstance(value, type) and value.__module__ == module.__name__:
                for attribute, method in vars(value).items():
                    if isinstance(method, types.FunctionType):
                        method = inspect.unwrap(method)
                        found[method.__code__] = (f"{short}.{name}.{attribute}", method)
    return found


@contextmanager
def broken(function: Any) -> Iterator[None]:
    """``function`` raises, wherever it was imported to."""

    def fail(*args: Any, **kwargs: Any) -> Any:
        raise Fault

    def fail_at_once(*args: Any, **kwargs: Any) -> Iterator[Any]:
        raise Fault
        yield

    original = function.__code__
    # A function finds its globals in its own module, so the exception is put in by hand.
    function.__globals__["Fault"] = Fault
    failing = fail_at_once if inspect.isgeneratorfunction(function) else fail
    function.__code__ = failing.__code__.replace(co_freevars=original.co_freevars)
    try:
        yield
    finally:
        function.__code__ = original
        del function.__globals__["Fault"]


class Job:
    def __call__(self, **named: Any) -> str:
        return "job done"


def silent(**named: Any) -> None: ...


async def async_silent(**named: Any) -> None: ...


def absent(**named: Any) -> None: ...


# Made before anything is broken: what a test calls to mute may fail like anything that it calls.
ABSENT, SILENT = muting.Chosen(absent, "absent"), muting.Chosen(silent)


@contextmanager
def muted(signals: Any, receivers: Any, only: Any = None, sender: Any = None) -> Iterator[None]:
    sender = muting.ANY_SENDER if sender is None else sender
    block = muting.enter(muting.Selection(signals, receivers, only, sender))
    try:
        yield
    finally:
        muting.leave(block)


class Meta:
    def __init__(self) -> None:
        self.shape = "round"


class Driver:
    """A cursor as a database driver has it, which runs nothing."""

    def execute(self, sql: Any, *params: Any) -> str:
        return "executed"

    executemany = callproc = execute


def query() -> Any:
    cursor = CursorWrapper(Driver(), connection)
    with_comment = "WITH a AS (SELECT 1) /* why */ DELETE FROM t"
    return (
        cursor.execute("SELECT 1"),
        cursor.executemany(with_comment, []),
        cursor.callproc(b"name"),
    )


class Own(Signal):
    def send(self, sender: Any, **named: Any) -> Any:
        return [
            (each, each(signal=self, sender=sender, **named))
            for each in self._live_receivers(sender)[0]
        ]

    async def asend(self, sender: Any, **named: Any) -> Any:
        return await super().asend(sender, **named)

    def send_robust(self, sender: Any, **named: Any) -> Any:
        return super().send_robust(sender, **named)

    def send_chained(self, sender: Any) -> Any:
        return [each(signal=self, sender=sender) for each in self._live_receivers(sender)[0]]


class Sorting(Signal):
    def _live_receivers(self, sender: Any) -> Any:
        found = super()._live_receivers(sender)
        for each in found:
            each.reverse()
        return found


excluded = Signal()
numbers = itertools.count()
CACHES: list[Any] = [
    *(
        value
        for module in MODULES
        for value in vars(module).values()
        if isinstance(value, names.IdentityCache)
    ),
    values._plans,
    frames.is_machinery,
]


def play() -> list[Any]:
    """Dispatches of every kind, with values of every kind; returns what they answered."""
    answers: list[Any] = []
    plain, other, own, sorting = Signal(), Signal(), Own(), Sorting()
    # Without a bridge from its thread back to the loop, at which Django's asend() may deadlock.
    gentle, failing_only, muted_alone = Signal(), Signal(), Signal()
    # A signal that two modules hold, in a module that the tracer has not met.
    module_name = f"made_for_this_test_{next(numbers)}"
    sys.modules[module_name] = module = types.ModuleType(module_name)
    module.excluded = excluded  # type: ignore[attr-defined]

    def first(**named: Any) -> str:
        other.send(User, instance=User(pk=3), created=True)
        plain.has_listeners(None)
        query()
        return "first"

    def failing(**named: Any) -> str:
        raise OSError(2, "no such thing")

    def connecting(**named: Any) -> str:
        other.connect(failing, sender=int)
        return "connected"

    async def waiting(sender: Any, **named: Any) -> str:
        await asyncio.sleep(0)
        if sender != "waiting":
            await other.asend("waiting")
        return "waited"

    async def async_failing(**named: Any) -> str:
        raise ValueError("no")

    class Service:
        def method(self, **named: Any) -> str:
            return "served"

        async def async_method(self, **named: Any) -> str:
            return "served later"

    async def awaiting_the_muted() -> None:
        await muted_alone.asend(int)

    job, service = Job(), Service()
    markcoroutinefunction(waiting)
    for receiver in (first, failing, connecting, job, service.method, "answer".format, dict):
        plain.connect(receiver, weak=False, dispatch_uid=("uid", 1) if receiver is job else None)
    for receiver in (waiting, async_failing):
        plain.connect(receiver)
    for receiver in (failing, job, waiting, async_failing, service.async_method):
        gentle.connect(receiver)
    failing_only.connect(failing)
    failing_only.connect(connecting)
    muted_alone.connect(silent, weak=False)
    muted_alone.connect(async_silent, weak=False)
    for signal in (other, own, sorting, excluded):
        signal.connect(connecting)
        signal.connect(job)
        signal.connect(waiting)

    values = {
        "user": User(pk=7),
        "number": 2**200,
        "text": "long " * 100,
        "items": [
            1,
            {"password": "hunter2", "when": WHEN},
            {3},
            b"x",
        ],
        "password": "hunter2",
        "users": User.objects.all(),
        "meta": Meta(),
        "kind": int,
        "receiver": first,
    }

    def note(run: Callable[[], Any]) -> None:
        try:
            answered = run()
            if asyncio.iscoroutine(answered):
                answered = asyncio.run(answered)
            if isinstance(answered, list):
                answered = [
                    (
                        getattr(each, "__qualname__", type(each).__name__),
                        f"{type(response).__name__} {response}"
                        if not isinstance(response, dict)
                        else sorted(response),
                    )
                    for each, response in answered
                ]
            answers.append(answered)
        except Exception as error:
            answers.append((type(error), error.args))

    for sender in (None, "text", int, 5):
        note(lambda: plain.send_robust(sender, **values))  # noqa: B023
        note(lambda: plain.send(sender))  # noqa: B023
    # Who is muted answers as before, once for each receiver, so that nobody sees a mute fail.
    with muted((), (ABSENT,), sender=int), muted((plain,), (), only=(ABSENT,)):
        note(lambda: plain.send(int))
        note(lambda: plain.has_listeners(int))
    with muted((), (SILENT,)):
        note(lambda: (muted_alone.send(int), None)[1])
    with muted((muted_alone,), ()):
        note(lambda: (muted_alone.send(int), None)[1])
        note(awaiting_the_muted)
    note(lambda: gentle.asend_robust(User, **values))
    note(lambda: failing_only.asend(User))
    note(lambda: own.send(int, size=1))
    note(lambda: own.send_robust(int))
    note(lambda: own.send_chained(int) and None)
    note(lambda: excluded.send(int))
    note(lambda: context_of_an_ended_trace().run(other.send, int))
    note(lambda: own.asend(int))
    note(lambda: sorting.send(int))
    note(lambda: sorting.asend_robust(int))
    for sender in (int, "text", 5, Meta):
        note(lambda: Signal().send(sender))  # noqa: B023
        note(lambda: Signal(use_caching=True).asend(Meta))
    note(lambda: type("Late", (Own,), {"send": Own.send_chained})().send(int))
    if sys.platform != "emscripten":  # WebAssembly has no threads.
        thread = threading.Thread(target=lambda: note(lambda: other.send_robust("thread")))
        thread.start()
        thread.join()
    note(lambda: plain.disconnect(first))
    # Receivers of a parent, and of a model in place of a many-to-many field's own.
    near, through = Signal(), User.groups.through
    near.connect(job, sender=Exception)
    near.connect(job, sender="text")  # Which has no weak reference, also in Django 6.
    near.connect(service.method, sender=ValueError)
    note(lambda: near.send(ValueError))
    for sender in (User, through):
        m2m_changed.connect(job, sender=sender)
    note(lambda: m2m_changed.send(through))
    for sender in (User, through):
        m2m_changed.disconnect(job, sender=sender)
    note(lambda: m2m_changed.has_listeners(through))
    note(query)
    for _ in range(60):
        note(lambda: sorting.send(int))
    note(lambda: Signal().send("beyond the limit"))
    del sys.modules[module_name]
    excluded.receivers = []
    return answers


@functools.cache
def answers_without_a_trace() -> list[Any]:
    return play()


def context_of_an_ended_trace() -> contextvars.Context:
    if not ended:
        with trace_signals():
            ended.append(contextvars.copy_context())
    return ended[0].copy()


ended: list[contextvars.Context] = []


@pytest.fixture(autouse=True)
def settings_of_every_kind(settings: Any) -> None:
    settings.SIGNAL_TRACER = SETTINGS


@pytest.fixture(autouse=True)
def nothing_reported_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "_reported", set())
    # pytest shows what is logged; here it is the rule.
    logging.getLogger("django.dispatch").setLevel(logging.CRITICAL)


@pytest.fixture(autouse=True, scope="module")
def quiet_dispatch_log() -> Iterator[None]:
    logger = logging.getLogger("django.dispatch")
    level = logger.level
    yield
    logger.setLevel(level)


def forget_names() -> None:
    routes.tables.clear()
    routes._references.clear()
    for each in CACHES:
        each.clear()
    ownership.owner_of_file.cache_clear()


@contextmanager
def counted() -> Iterator[None]:
    counting.start()
    try:
        yield
    finally:
        counting.stop()


def run_traced(breaking: Any = None) -> tuple[list[Any], Any]:
    forget_names()
    with (
        trace_signals(all_threads=True) as trace,
        SignalTrace() as inner,
        counted(),
        breaking or nullcontext(),
    ):
        answers = play()
    # What was described while something of ours failed is no name for other tests.
    forget_names()
    assert inner.trace.faults <= trace.faults
    return answers, trace


def functions_that_run_inside_dispatches() -> set[str]:
    context_of_an_ended_trace()
    known = functions()
    found: set[str] = set()

    def note(frame: Any, event: str, argument: Any) -> None:
        code = frame.f_code
        if event == "call" and is_ours(code.co_filename) and code in known:
            found.add(known[code][0])
            if known[code][0] == "nodes.report_fault":
                FAULTS.append(f"{frame.f_locals['doing']}: {sys.exception()!r}")

    def profiled() -> None:
        threading.setprofile(note)
        sys.setprofile(note)
        try:
            play()
        finally:
            sys.setprofile(None)
            threading.setprofile(None)  # type: ignore[arg-type]

    forget_names()
    # As in a test: this runs when the tests are collected.
    with (
        override_settings(DEBUG=False, SIGNAL_TRACER=SETTINGS),
        trace_signals(all_threads=True),
        SignalTrace(),
        counted(),
    ):
        profiled()
    uninstall()
    return found


# Those of ours when nothing was broken.
FAULTS: list[str] = []


# Copies: a thread of Django's that was started meanwhile lives on, and notes what it calls.
FOUND = set(functions_that_run_inside_dispatches())
FAULTS_THEN = list(FAULTS)
FUNCTIONS = sorted(FOUND - WRAPPERS - FENCES - CALLBACKS - MUTING)


def test_what_is_exempt_runs_inside_dispatches_as_well() -> None:
    assert FAULTS_THEN == []
    assert sorted((WRAPPERS | FENCES) - FOUND) == ["nodes.report_fault"]
    assert len(FUNCTIONS) > 100


def test_nothing_fails_by_itself() -> None:
    untraced = answers_without_a_trace()
    answers, trace = run_traced()

    assert answers == untraced
    assert trace.faults == 0


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_of_ours_that_fails_does_not_disturb_a_dispatch(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    untraced = answers_without_a_trace()
    by_name = dict(functions().values())
    with caplog.at_level(logging.ERROR, logger="signal_tracer"):
        answers, trace = run_traced(broken(by_name[name]))

    assert answers == untraced
    assert trace.faults > 0
    records = [record for record in caplog.records if record.name == "signal_tracer"]
    assert records
    messages = [record.getMessage() for record in records]
    assert len(messages) == len(set(messages)), "each kind of failure is said once"
    assert all("the traced code went on undisturbed" in message for message in messages)
    assert all(record.exc_info and record.exc_info[0] is Fault for record in records)
    assert nodes.current.get() is None
