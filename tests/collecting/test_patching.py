"""What is changed on Django, and put back; and other tools that change the same."""

import functools
import json
import subprocess
import sys
from collections.abc import Iterator
from inspect import getfullargspec, signature
from threading import Thread
from typing import Any
from unittest import mock

import django
import pytest
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.models import QuerySet
from django.db.models.deletion import Collector
from django.db.transaction import Atomic
from django.dispatch import Signal
from django.test import TestCase

from signal_tracer import trace_signals
from signal_tracer.tracer import uninstall

PATCHED = [
    "_live_receivers",
    "_log_robust_failure",
    "asend",
    "asend_robust",
    "connect",
    "disconnect",
    "send",
    "send_robust",
]


@pytest.fixture
def originals() -> Iterator[dict[str, Any]]:
    """Django's own attributes, put back whatever the test did."""
    uninstall()
    found = dict(vars(Signal))
    yield found
    for name in PATCHED:
        setattr(Signal, name, found[name])
    uninstall()


def changed(originals: dict[str, Any]) -> list[str]:
    now = vars(Signal)
    return sorted(
        name for name in originals.keys() | now.keys() if now.get(name) is not originals.get(name)
    )


def receiver(**named: Any) -> str:
    return "answer"


def is_traced() -> bool:
    """Whether a dispatch is recorded once, with its receiver."""
    signal = Signal()
    signal.connect(receiver)
    with trace_signals() as trace:
        assert signal.send(int) == [(receiver, "answer")]
    lines = trace.outline().split("\n")
    return len(lines) == 2 and lines[1].strip() == "test_patching.receiver"


def patch_over(name: str, calls: list[str]) -> Any:
    """What another tool does: wraps what it finds, and returns it for later."""
    found = getattr(Signal, name)

    @functools.wraps(found)
    def tool(self: Any, *args: Any, **kwargs: Any) -> Any:
        calls.append(name)
        return found(self, *args, **kwargs)

    setattr(Signal, name, tool)
    return found


def test_importing_the_tracer_changes_nothing() -> None:
    script = """
from django.dispatch import Signal
before = dict(vars(Signal))
import signal_tracer.tracer, signal_tracer.collecting.signals
now = vars(Signal)
assert before.keys() == now.keys()
assert all(now[name] is before[name] for name in before)
print("unchanged")
"""
    assert run(script) == "unchanged"


def test_a_trace_changes_these_and_uninstalling_puts_each_back(originals: dict[str, Any]) -> None:
    assert changed(originals) == []
    with trace_signals():
        assert changed(originals) == ["__init_subclass__", *PATCHED]
    assert changed(originals) == ["__init_subclass__", *PATCHED]
    uninstall()
    assert changed(originals) == []
    uninstall()
    assert changed(originals) == []


def test_the_tracer_installs_once_and_stays(originals: dict[str, Any]) -> None:
    with trace_signals():
        first = dict(vars(Signal))
    for _ in range(3):
        with trace_signals():
            assert changed(first) == []


def test_it_can_be_installed_and_uninstalled_again(originals: dict[str, Any]) -> None:
    for _ in range(3):
        assert is_traced()
        uninstall()
        assert changed(originals) == []


@pytest.mark.parametrize("name", ["send", "_live_receivers", "_log_robust_failure", "connect"])
def test_a_patch_of_another_tool_over_ours_survives(originals: dict[str, Any], name: str) -> None:
    calls: list[str] = []
    assert is_traced()
    patch_over(name, calls)
    tools = vars(Signal)[name]
    uninstall()

    assert changed(originals) == [name]
    assert vars(Signal)[name] is tools
    assert is_traced()
    uninstall()
    assert vars(Signal)[name] is tools
    assert name == "_log_robust_failure" or calls


@pytest.mark.parametrize("name", ["send", "_live_receivers", "_log_robust_failure", "connect"])
def test_a_patch_that_was_there_before_ours_is_put_back(
    originals: dict[str, Any], name: str
) -> None:
    patch_over(name, [])
    tools = vars(Signal)[name]

    assert is_traced()
    uninstall()
    assert changed(originals) == [name]
    assert vars(Signal)[name] is tools


@pytest.mark.parametrize("name", ["send", "_live_receivers"])
def test_a_tool_that_goes_away_again_may_put_ours_back(
    originals: dict[str, Any], name: str
) -> None:
    with trace_signals():
        pass
    found = patch_over(name, [])
    assert is_traced()
    setattr(Signal, name, found)
    assert is_traced()
    uninstall()

    assert changed(originals) == []


def test_a_tool_that_goes_away_after_uninstalling_puts_back_one_that_passes_through(
    originals: dict[str, Any],
) -> None:
    with trace_signals():
        pass
    found = patch_over("send", [])
    uninstall()
    Signal.send = found  # type: ignore[method-assign]

    signal = Signal()
    signal.connect(receiver)
    assert signal.send(None) == [(receiver, "answer")]
    assert is_traced()
    uninstall()
    assert changed(originals) == []


@pytest.mark.parametrize("name", ["send", "_live_receivers"])
def test_a_mock_in_the_place_of_a_method_does_no_harm(originals: dict[str, Any], name: str) -> None:
    with mock.patch.object(Signal, name, return_value=([], [])) as mocked:
        signal = Signal()
        signal.connect(receiver)
        with trace_signals():
            signal.send(None)
        assert mocked.call_count == 1
        uninstall()
        assert vars(Signal)[name] is mocked
    assert changed(originals) == []


def test_a_signal_whose_send_was_replaced_is_left_alone(originals: dict[str, Any]) -> None:
    signal = Signal()
    with mock.patch.object(signal, "send") as mocked, trace_signals() as trace:
        signal.send(1)
    assert mocked.mock_calls == [mock.call(1)]
    assert trace.dispatches == []


def test_uninstalling_while_a_dispatch_runs_lets_it_finish(originals: dict[str, Any]) -> None:
    signal = Signal()

    def uninstalling(**named: Any) -> str:
        uninstall()
        return "done"

    signal.connect(uninstalling)
    signal.connect(receiver)
    with trace_signals() as trace:
        assert signal.send(None) == [(uninstalling, "done"), (receiver, "answer")]

    assert len(trace.receiver_calls()) == 2
    assert changed(originals) == []


def test_a_connection_made_behind_djangos_back_is_named_right(originals: dict[str, Any]) -> None:
    signal = Signal()

    def other(**named: Any) -> None: ...

    signal.connect(receiver)
    with trace_signals() as trace:
        signal.send(None)
        kept, signal.receivers = signal.receivers, []
        signal.connect(other)
        signal.send(None)
        signal.receivers = kept
        signal.send(None)

    called = [call.receiver.rpartition(".")[2] for call in trace.receiver_calls()]
    assert called == ["receiver", "other", "receiver"]


# The real Sentry. It patches for ever, and so in a process of its own.

SENTRY = """
import asyncio, json, sys
from django.conf import settings
settings.configure(INSTALLED_APPS=[], ROOT_URLCONF="nowhere", SECRET_KEY="none")
import django
django.setup()
from django.dispatch import Signal
import sentry_sdk
from sentry_sdk.integrations.django import DjangoIntegration
from sentry_sdk.transport import Transport
from signal_tracer import trace_signals

sent = []

class Keeping(Transport):
    def capture_envelope(self, envelope):
        sent.append(envelope)

def start_sentry():
    sentry_sdk.init(
        dsn="http://key@sentry.invalid/1", transport=Keeping, traces_sample_rate=1.0,
        default_integrations=False, auto_enabling_integrations=False,
        integrations=[DjangoIntegration(signals_spans=True)],
    )

paid = Signal()
shipped = Signal()

def first(**named):
    shipped.send("nested")
    return 1

def second(**named):
    raise ValueError("no")

async def third(**named):
    return 3

def last(**named):
    return 4

def connect():
    paid.connect(first, dispatch_uid="the first")
    paid.connect(second)
    paid.connect(third)
    shipped.connect(last, sender="nested", dispatch_uid=7)

def results(method):
    with sentry_sdk.start_transaction(name="test"):
        answered = getattr(paid, method)(None)
        if asyncio.iscoroutine(answered):
            answered = asyncio.run(answered)
    return [
        [type(each).__name__, each.__qualname__, each.__module__, repr(response)]
        for each, response in answered
    ]

def spans():
    return [
        span["description"]
        for envelope in sent
        for item in envelope.items
        if item.type == "transaction"
        for span in item.payload.json["spans"]
    ]
"""

PLAY = """
with trace_signals() as trace:
    traced = results(METHOD)
seen_by_sentry = spans()
print(json.dumps({
    "same": traced == untraced,
    "sentry": sorted(seen_by_sentry),
    "outline": trace.outline().split("\\n"),
    "calls": [
        [call.receiver, str(call.dispatch_uid), call.defined_at and call.defined_at.function]
        for call in trace.receiver_calls()
    ],
    "faults": trace.faults,
}))
"""

ORDERS = {
    "before us": """
start_sentry(); connect()
untraced = results(METHOD); sent.clear()
""",
    "after us": """
with trace_signals():
    pass
start_sentry(); connect()
untraced = results(METHOD); sent.clear()
""",
    "after us, while a trace runs": """
running = trace_signals()
running.__enter__()
start_sentry(); connect()
running.__exit__(None, None, None)
untraced = results(METHOD); sent.clear()
""",
    "between two of our installs": """
from signal_tracer.tracer import uninstall
with trace_signals():
    pass
start_sentry(); connect()
uninstall()
untraced = results(METHOD); sent.clear()
""",
}


def run(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("method", ["send_robust", "asend_robust"])
@pytest.mark.parametrize("order", ORDERS)
def test_the_real_sentry_works_and_is_traced_right(order: str, method: str) -> None:
    script = SENTRY + f"METHOD = {method!r}\n" + ORDERS[order] + PLAY
    seen = json.loads(run(script).splitlines()[-1])

    assert seen["same"]
    assert seen["sentry"] == ["__main__.first", "__main__.last", "__main__.second"]
    assert seen["faults"] == 0
    third = [["  __main__.third  ASYNC"], []]
    if method == "asend_robust" and django.VERSION < (6, 1):
        third.reverse()  # There the async receivers are called first.
    assert seen["outline"] == [
        f"__main__.paid.{method}  sender=None",
        *third[1],
        "  __main__.first",
        "    __main__.shipped.send  sender='nested'",
        "      __main__.last",
        "  __main__.second  SWALLOWED ValueError: no",
        *third[0],
    ]
    assert sorted(seen["calls"]) == [
        ["__main__.first", "the first", "first"],
        ["__main__.last", "7", "last"],
        ["__main__.second", "None", "second"],
        ["__main__.third", "None", "third"],
    ]


def test_every_function_of_django_that_we_replace_keeps_its_name_and_signature() -> None:
    uninstall()
    untraced = [
        (
            vars(Signal)[each].__qualname__,
            signature(getattr(Signal, each)),
            getfullargspec(vars(Signal)[each]),
        )
        for each in PATCHED
    ]
    with trace_signals():
        traced = [
            (
                vars(Signal)[each].__qualname__,
                signature(getattr(Signal, each)),
                getfullargspec(vars(Signal)[each]),
            )
            for each in PATCHED
        ]

    assert traced == untraced


# What is watched beside the signals

WATCHED: list[tuple[type, str]] = [
    (Atomic, "__enter__"),
    (Atomic, "__exit__"),
    (BaseDatabaseWrapper, "close"),
    (BaseDatabaseWrapper, "on_commit"),
    (BaseDatabaseWrapper, "rollback"),
    (BaseDatabaseWrapper, "run_and_clear_commit_hooks"),
    (BaseDatabaseWrapper, "savepoint"),
    (BaseDatabaseWrapper, "savepoint_commit"),
    (BaseDatabaseWrapper, "savepoint_rollback"),
    (Collector, "delete"),
    (CursorWrapper, "_execute"),
    (CursorWrapper, "_executemany"),
    (CursorWrapper, "callproc"),
    (QuerySet, "_raw_delete"),
    (QuerySet, "bulk_create"),
    (QuerySet, "bulk_update"),
    (QuerySet, "update"),
    (Thread, "start"),
]


@pytest.fixture
def djangos_own() -> Iterator[dict[tuple[type, str], Any]]:
    uninstall()
    found = {(cls, name): vars(cls)[name] for cls, name in WATCHED}
    yield found
    uninstall()
    for (cls, name), original in found.items():
        setattr(cls, name, original)


def test_a_trace_watches_these_too_and_uninstalling_puts_each_back(
    djangos_own: dict[tuple[type, str], Any],
) -> None:
    def put_back() -> list[str]:
        return [key[1] for key, found in djangos_own.items() if vars(key[0])[key[1]] is found]

    names = [name for _, name in WATCHED]
    for _ in range(2):
        assert put_back() == names
        with trace_signals():
            assert put_back() == []
        with trace_signals():
            assert put_back() == []
        uninstall()
    assert put_back() == names


@pytest.mark.parametrize(("cls", "name"), WATCHED)
def test_a_tool_over_one_of_these_survives_and_ours_is_not_put_there_twice(
    djangos_own: dict[tuple[type, str], Any], cls: type, name: str
) -> None:
    original = djangos_own[cls, name]
    with trace_signals():
        pass
    ours = vars(cls)[name]

    def tool(*args: Any, **kwargs: Any) -> Any:
        return ours(*args, **kwargs)

    setattr(cls, name, tool)
    uninstall()
    assert vars(cls)[name] is tool
    with trace_signals():
        assert vars(cls)[name] is tool
    setattr(cls, name, ours)  # The tool goes away.
    uninstall()

    assert vars(cls)[name] is original


@pytest.mark.parametrize(("cls", "name"), WATCHED)
def test_a_mock_that_stands_there_first_is_called_as_without_a_trace(
    djangos_own: dict[tuple[type, str], Any], cls: type, name: str
) -> None:
    with mock.patch.object(cls, name) as mocked:
        with trace_signals():
            getattr(object.__new__(cls), name)(1)
        assert mocked.mock_calls == [mock.call(1)]
        uninstall()
        assert vars(cls)[name] is mocked

    assert vars(cls)[name] is djangos_own[cls, name]


@pytest.mark.parametrize(
    "given", [{"autospec": True}, {"new": lambda *args: None}], ids=["autospec", "function"]
)
@pytest.mark.parametrize(("cls", "name"), WATCHED)
def test_what_stood_there_first_and_went_away_leaves_it_to_be_watched_again(
    djangos_own: dict[tuple[type, str], Any], cls: type, name: str, given: dict[str, Any]
) -> None:
    original = djangos_own[cls, name]
    with mock.patch.object(cls, name, **given), trace_signals():
        assert vars(cls)[name] is not original
    assert vars(cls)[name] is original
    uninstall()

    with trace_signals():
        assert vars(cls)[name] is not original
    uninstall()
    assert vars(cls)[name] is original


@pytest.mark.parametrize("is_traced_below", [False, True], ids=["untraced", "traced"])
@pytest.mark.parametrize(("cls", "name"), WATCHED)
def test_what_a_mock_has_put_back_is_uninstalled_once_it_is_gone(
    djangos_own: dict[tuple[type, str], Any], cls: type, name: str, is_traced_below: bool
) -> None:
    with trace_signals(), mock.patch.object(cls, name):
        uninstall()
        if is_traced_below:
            with trace_signals():
                pass
    uninstall()

    assert vars(cls)[name] is djangos_own[cls, name]


def test_what_captures_callbacks_is_put_back_whatever_stood_over_it() -> None:
    uninstall()
    original = vars(TestCase)["captureOnCommitCallbacks"]
    with trace_signals(), mock.patch.object(TestCase, "captureOnCommitCallbacks"):
        uninstall()
        with trace_signals():
            pass
    uninstall()

    assert vars(TestCase)["captureOnCommitCallbacks"] is original


def test_what_another_tool_has_put_where_ours_was_added_survives(
    originals: dict[str, Any],
) -> None:
    seen: list[str] = []

    def note(cls: type, **named: Any) -> None:
        seen.append(cls.__name__)

    with trace_signals():
        Signal.__init_subclass__ = classmethod(note)  # type: ignore[assignment]  # as a tool does
    uninstall()
    type("Later", (Signal,), {})
    assert seen == ["Later"]

    del Signal.__init_subclass__
    assert changed(originals) == []
