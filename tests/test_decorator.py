"""``@trace_signals()``: a trace of each call, given to reporters, and nothing else is changed."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import logging
import os
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import iscoroutinefunction, sync_to_async
from django.dispatch import Signal

from signal_tracer import Trace, reporting, trace_signals
from signal_tracer.collecting import nodes

paid = Signal()
traces: list[Trace] = []


def keep(trace: Trace) -> None:
    traces.append(trace)


async def keep_soon(trace: Trace) -> None:
    await asyncio.sleep(0)
    traces.append(trace)


def fail_to_report(trace: Trace) -> None:
    raise ValueError("no room on the disk")


def generate_report(trace: Trace) -> Iterator[Trace]:
    yield trace


def receipt(sender: object, **kwargs: object) -> str:
    return "sent"


@pytest.fixture(autouse=True)
def setting(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    settings.SIGNAL_TRACER = {"REPORTERS": ["test_decorator.keep"]}
    monkeypatch.setattr(reporting, "_logged", set())
    paid.connect(receipt)
    yield
    paid.disconnect(receipt)
    traces.clear()


def told() -> list[tuple[str, str]]:
    """The name of each trace, and what was sent and heard in it."""
    found = []
    for trace in traces:
        lines = []
        for sent in trace.walk():
            lines.append(f"{sent.signal}.{sent.method}  sender={sent.sender}")
            lines += [f"  {call.receiver}" for call in sent.receiver_calls]
        found.append((trace.name, "\n".join(lines).replace("test_decorator.", "")))
    return found


OUTLINE = "paid.send  sender='the shop'\n  receipt"


@trace_signals("nightly import")
def import_orders(number: int, *, sender: str = "the shop") -> int:
    """Imports them."""
    paid.send(sender, number=number)
    return number + 1


@trace_signals()
async def fetch_orders(number: int) -> int:
    """Fetches them."""
    await asyncio.sleep(0)
    await paid.asend("the shop", number=number)
    return number + 1


class Importer:
    started = 0

    @trace_signals()
    def run(self, number: int) -> tuple[object, int]:
        paid.send("the shop")
        return self, number

    @classmethod
    @trace_signals()
    def make(cls, number: int) -> tuple[object, int]:
        paid.send("the shop")
        return cls, number

    @staticmethod
    @trace_signals()
    def parse(number: int) -> int:
        paid.send("the shop")
        return number

    @trace_signals()
    @classmethod
    def make_outside(cls, number: int) -> tuple[object, int]:
        paid.send("the shop")
        return cls, number

    @trace_signals()
    @staticmethod
    def parse_outside(number: int) -> int:
        paid.send("the shop")
        return number


def test_each_call_of_a_function_is_a_trace_for_the_reporters_of_the_setting() -> None:
    assert import_orders(1) == 2
    assert import_orders(5, sender="the shop") == 6

    assert told() == [("nightly import", OUTLINE)] * 2
    assert nodes.current.get() is None


def test_a_warning_that_is_to_name_the_caller_does_so() -> None:
    @trace_signals()
    def old() -> None:
        warnings.warn("old", DeprecationWarning, stacklevel=2)

    @trace_signals()
    async def old_too() -> None:
        warnings.warn("old too", DeprecationWarning, stacklevel=2)

    async def call() -> None:
        old()
        await old_too()

    with pytest.warns(DeprecationWarning, match="old") as warned:
        asyncio.run(call())

    assert [each.filename for each in warned] == [__file__, __file__]
    assert len(traces) == 2


async def test_each_call_of_a_coroutine_function_is_a_trace_named_after_it() -> None:
    first, second = await asyncio.gather(fetch_orders(1), fetch_orders(2))

    assert (first, second) == (2, 3)
    assert told() == [("test_decorator.fetch_orders", OUTLINE.replace(".send", ".asend"))] * 2
    assert nodes.current.get() is None


def test_methods_class_methods_and_static_methods_stay_what_they_are() -> None:
    importer = Importer()

    assert importer.run(1) == (importer, 1)
    assert Importer.make(2) == (Importer, 2)
    assert importer.parse(3) == Importer.parse(3) == 3
    assert Importer.make_outside(4) == (Importer, 4)
    assert importer.parse_outside(5) == 5
    assert [name for name, _ in told()] == [
        f"test_decorator.Importer.{name}"
        for name in ("run", "make", "parse", "parse", "make_outside", "parse_outside")
    ]
    assert {outline for _, outline in told()} == {OUTLINE}


def test_name_docstring_signature_and_kind_of_function_are_kept() -> None:
    assert (import_orders.__name__, import_orders.__doc__) == ("import_orders", "Imports them.")
    assert str(inspect.signature(import_orders)) == (
        "(number: 'int', *, sender: 'str' = 'the shop') -> 'int'"
    )
    assert import_orders.__module__ == __name__
    assert not inspect.iscoroutinefunction(import_orders)
    assert (fetch_orders.__name__, fetch_orders.__doc__) == ("fetch_orders", "Fetches them.")
    assert inspect.iscoroutinefunction(fetch_orders)
    assert iscoroutinefunction(fetch_orders)


def test_the_exception_of_the_function_is_the_very_one_and_is_reported_after_the_trace() -> None:
    error = ZeroDivisionError("of the import")

    @trace_signals("failing")
    def fail() -> None:
        paid.send("the shop")
        raise error

    with pytest.raises(ZeroDivisionError) as caught:
        fail()

    assert caught.value is error
    assert caught.value.__context__ is None
    assert told() == [("failing", OUTLINE)]


async def test_a_call_that_is_cancelled_is_reported_also_to_async_reporters() -> None:
    started = asyncio.Event()

    @trace_signals("waiting", reporters=[keep_soon])
    async def wait() -> None:
        paid.send("the shop")
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert told() == [("waiting", OUTLINE)]


def test_a_coroutine_that_is_closed_is_reported_where_nothing_can_be_awaited() -> None:
    @trace_signals("closed", reporters=[keep])
    async def wait() -> None:
        paid.send("the shop")
        await asyncio.sleep(0)

    coroutine = wait()
    coroutine.send(None)
    coroutine.close()

    assert told() == [("closed", OUTLINE)]
    assert nodes.current.get() is None


def test_each_call_of_a_recursion_has_a_trace_the_innermost_ends_first() -> None:
    @trace_signals("countdown")
    def count_down(number: int) -> None:
        paid.send("the shop")
        if number:
            count_down(number - 1)

    count_down(2)

    assert told() == [("countdown", "\n".join([OUTLINE] * times)) for times in (1, 2, 3)]


def test_without_any_reporter_nothing_is_traced(settings: Any) -> None:
    settings.SIGNAL_TRACER = {}
    original = Signal.send

    assert import_orders(1) == 2
    assert asyncio.run(fetch_orders(1)) == 2
    assert Signal.send is original


def test_the_setting_is_read_at_each_call(settings: Any) -> None:
    import_orders(1)
    settings.SIGNAL_TRACER = {"REPORTERS": []}
    import_orders(1)

    assert len(traces) == 1


# Reporters of one's own


def test_reporters_may_be_callables_and_dotted_paths_and_take_the_place_of_the_settings() -> None:
    seen: list[str] = []

    @trace_signals("mine", reporters=[lambda trace: seen.append(trace.name), "test_decorator.keep"])
    def run() -> None:
        paid.send("the shop")

    run()

    assert (seen, told()) == (["mine"], [("mine", OUTLINE)])


def test_no_reporters_are_nobody(settings: Any) -> None:
    @trace_signals(reporters=[])
    def run() -> None:
        paid.send("the shop")

    run()

    assert traces == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no processes are forked here")
def test_a_child_that_is_forked_in_the_block_gives_no_second_copy_away(tmp_path: Path) -> None:
    file = tmp_path / "reported"

    def write(trace: Trace) -> None:
        with file.open("a") as lines:
            lines.write(f"{trace.name}\n")

    child = None
    try:
        with trace_signals("a block", reporters=[write]):
            child = os.fork()
    finally:
        if child == 0:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert file.read_text() == "a block\n"


def test_a_with_block_is_given_to_its_own_reporters_and_else_to_nobody() -> None:
    with trace_signals("quiet"):
        paid.send("the shop")
    with trace_signals("told", reporters=[keep]) as trace:
        paid.send("the shop")
        assert traces == []

    assert told() == [("told", OUTLINE)]
    assert traces == [trace]


async def test_an_async_with_block_awaits_async_reporters() -> None:
    async with trace_signals("told", reporters=["test_decorator.keep_soon"]) as trace:
        paid.send("the shop")

    assert traces == [trace]


def test_a_sync_function_runs_async_reporters_in_a_loop_of_their_own() -> None:
    @trace_signals("sync", reporters=[keep_soon])
    def run() -> None:
        paid.send("the shop")

    run()

    assert told() == [("sync", OUTLINE)]


async def test_a_sync_function_below_async_code_does_so_too() -> None:
    @trace_signals("sync", reporters=[keep_soon])
    def run() -> None:
        paid.send("the shop")

    await sync_to_async(run)()

    assert told() == [("sync", OUTLINE)]


@pytest.mark.parametrize(
    ("reporter", "name"),
    [(fail_to_report, "test_decorator.fail_to_report"), (keep_soon, "test_decorator.keep_soon")],
)
async def test_a_reporter_that_fails_is_logged_once_and_the_others_go_on(
    caplog: pytest.LogCaptureFixture, reporter: Any, name: str
) -> None:
    """The second cannot be awaited in a sync block in the very thread of an event loop."""
    for _ in range(2):
        with trace_signals("told", reporters=[reporter, keep]):
            paid.send("the shop")
    gc.collect()

    assert [each.getMessage() for each in caplog.records] == [
        f"The reporter {name!r} failed; the traced code went on."
    ]
    assert told() == [("told", OUTLINE)] * 2


def test_a_reporter_of_the_setting_that_fails_is_named_as_such(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.SIGNAL_TRACER = {"REPORTERS": ["nowhere.report"]}

    assert import_orders(1) == 2
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("signal_tracer", logging.ERROR)
    assert record.getMessage() == (
        "The reporter 'nowhere.report' of SIGNAL_TRACER['REPORTERS'] failed; "
        "the traced code went on."
    )


class NoReporter:
    def __repr__(self) -> str:
        raise AssertionError("nobody may ask")


@pytest.mark.parametrize(
    ("reporters", "kind", "message"),
    [
        (
            "test_decorator.keep",
            TypeError,
            "reporters= wants a list of dotted paths and callables, and was given a str.",
        ),
        (
            keep,
            TypeError,
            "reporters= wants a list of dotted paths and callables, and was given a function.",
        ),
        (
            [NoReporter()],
            TypeError,
            (
                "reporters= wants dotted paths and callables, and one of them is a "
                "test_decorator.NoReporter."
            ),
        ),
        (
            ["test_decorator.traces"],
            TypeError,
            "reporters= names 'test_decorator.traces', which is not callable.",
        ),
        (
            [generate_report],
            TypeError,
            (
                "reporters= names 'test_decorator.generate_report', which is a generator function: "
                "to call it runs none of its code."
            ),
        ),
        (
            ["test_decorator.nowhere"],
            ImportError,
            (
                "reporters= names 'test_decorator.nowhere', which cannot be imported (ImportError: "
                'Module "test_decorator" does not define a "nowhere" attribute/class).'
            ),
        ),
        (
            ["nowhere.report"],
            ImportError,
            (
                "reporters= names 'nowhere.report', which cannot be imported (ModuleNotFoundError: "
                "No module named 'nowhere')."
            ),
        ),
    ],
)
def test_a_wrong_reporter_is_refused_at_once(
    reporters: Any, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind) as raised:
        trace_signals("mine", reporters=reporters)

    assert str(raised.value) == message


# What cannot be decorated


def generate() -> Iterator[int]:
    yield 1


async def generate_soon() -> AsyncIterator[int]:
    yield 1


class CalledAsGenerator:
    def __call__(self) -> Iterator[int]:
        yield 1


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (
            generate,
            (
                "test_decorator.generate is a generator function: its code runs after the call, "
                "whenever somebody asks for the next value, and a trace of the call would hold "
                "nothing of it. Write `with trace_signals():` around the `for` loop that goes over "
                "it."
            ),
        ),
        (
            generate_soon,
            (
                "test_decorator.generate_soon is a generator function: its code runs after the "
                "call, whenever somebody asks for the next value, and a trace of the call would "
                "hold nothing of it. Write `with trace_signals():` around the `async for` loop "
                "that goes over it."
            ),
        ),
        (
            Importer,
            (
                "test_decorator.Importer is a class: decorate those of its methods that are to be "
                "traced."
            ),
        ),
        (5, "@trace_signals() wants a function, and was given a int."),
    ],
)
def test_what_cannot_be_traced_call_by_call_is_refused_with_the_reason(
    function: Any, message: str
) -> None:
    with pytest.raises(TypeError) as raised:
        trace_signals()(function)

    assert str(raised.value) == message


@pytest.mark.parametrize("function", [functools.partial(generate), CalledAsGenerator()])
def test_a_generator_function_is_seen_in_other_callables_too(function: Any) -> None:
    with pytest.raises(TypeError, match=r"is a generator function: its code runs after the call"):
        trace_signals()(function)


def test_without_its_parentheses_it_says_so() -> None:
    with pytest.raises(TypeError, match=r"write @trace_signals\(\) with its parentheses\.$"):
        trace_signals(keep)  # type: ignore[arg-type]  # that is the mistake


def test_partials_and_instances_that_are_called_as_functions_are_traced() -> None:
    class Run:
        async def __call__(self) -> str:
            paid.send("the shop")
            return "ran"

    undecorated: Any = inspect.unwrap(import_orders)
    partly: Any = trace_signals("partly")(functools.partial(undecorated, 1))
    instance: Any = trace_signals("instance")(Run())

    assert partly() == 2
    assert asyncio.run(instance()) == "ran"
    assert told() == [("partly", OUTLINE), ("instance", OUTLINE)]
