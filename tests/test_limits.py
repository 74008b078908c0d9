"""Limits: what a trace leaves out, and that it counts exactly that."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.dispatch import Signal

from signal_tracer import Trace, trace_signals
from signal_tracer.records import Summary

first = Signal()
second = Signal()
third = Signal()


@pytest.fixture(autouse=True)
def nothing_connected() -> Iterator[None]:
    yield
    for signal in (first, second, third):
        signal.receivers = []
        signal.sender_receivers_cache.clear()


def accept(sender: object, **kwargs: object) -> str:
    return f"accepted from {sender}"


def relay(sender: object, **kwargs: object) -> None:
    second.send(sender)


@contextmanager
def setting(value: object) -> Iterator[None]:
    """Like override_settings(), which sends a signal, and so would be in the trace."""
    before = getattr(django_settings, "SIGNAL_TRACER", None)
    django_settings.SIGNAL_TRACER = value
    try:
        yield
    finally:
        django_settings.SIGNAL_TRACER = before


def outline(trace: Trace) -> list[str]:
    return trace.outline().replace("test_limits.", "").splitlines()


# MAX_DISPATCHES


def test_dispatches_beyond_the_limit_are_counted_and_their_receivers_run_as_ever(
    settings: Any,
) -> None:
    settings.SIGNAL_TRACER = {"MAX_DISPATCHES": 2}
    first.connect(accept)
    with trace_signals() as trace:
        responses = [first.send(number) for number in range(5)]

    assert [[response for _, response in each] for each in responses] == [
        [f"accepted from {number}"] for number in range(5)
    ]
    assert all(receiver is accept for each in responses for receiver, _ in each)
    assert outline(trace) == [
        "first.send  sender=0",
        "  accept",
        "first.send  sender=1",
        "  accept",
    ]
    assert trace.omitted == 3


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6, 7])
def test_nested_dispatches_count_towards_the_limit(limit: int, settings: Any) -> None:
    settings.SIGNAL_TRACER = {"MAX_DISPATCHES": limit}
    first.connect(relay)
    second.connect(accept)
    with trace_signals() as trace:
        for number in range(3):
            first.send(number)

    assert (len(list(trace.walk())), trace.omitted) == (min(limit, 6), max(6 - limit, 0))


def test_nothing_is_recorded_below_an_omitted_dispatch(settings: Any) -> None:
    settings.SIGNAL_TRACER = {"MAX_DISPATCHES": 1}
    ran = []

    def relay_all(sender: object, **kwargs: object) -> None:
        second.send(sender)
        third.send(sender)
        ran.append(sender)

    first.connect(relay_all)
    second.connect(accept)
    with trace_signals() as trace:
        second.send(0)
        first.send(1)
        first.send_robust(2)

    assert outline(trace) == ["second.send  sender=0", "  accept"]
    assert trace.omitted == 4
    assert sum(count for _, _, count in counts(trace)) == 2
    assert ran == [1, 2]


def test_an_omitted_dispatch_raises_and_swallows_as_ever(settings: Any) -> None:
    settings.SIGNAL_TRACER = {"MAX_DISPATCHES": 1}
    error = ValueError("no")

    def fail(**kwargs: object) -> None:
        raise error

    second.connect(accept)
    first.connect(fail)

    def try_both(sender: object, **kwargs: object) -> None:
        assert first.send_robust(sender) == [(fail, error)]
        with pytest.raises(ValueError, match="no") as caught:
            first.send(sender)
        assert caught.value is error

    second.connect(try_both)
    with trace_signals() as trace:
        second.send(0)

    assert outline(trace) == ["second.send  sender=0", "  accept", f"  {try_both.__qualname__}"]
    assert trace.omitted == 2
    assert trace.swallowed() == []


async def test_async_dispatches_beyond_the_limit_are_counted(settings: Any) -> None:
    settings.SIGNAL_TRACER = {"MAX_DISPATCHES": 1}

    async def relay_soon(sender: object, **kwargs: object) -> str:
        await second.asend(sender)
        return "relayed"

    first.connect(relay_soon)
    second.connect(accept)
    with trace_signals() as trace:
        responses = [await first.asend(number) for number in range(2)]

    assert responses == [[(relay_soon, "relayed")]] * 2
    assert [str(each) for each in trace.walk()] == ["test_limits.first.asend  sender=0"]
    assert trace.omitted == 3


def test_nested_traces_have_each_their_own_room() -> None:
    first.connect(relay)
    second.connect(accept)
    with setting({"MAX_DISPATCHES": 3}), trace_signals() as outer:
        first.send(1)
        with setting({"MAX_DISPATCHES": 2}), trace_signals() as small:
            first.send(2)
            first.send(3)
        with setting({"MAX_DISPATCHES": 100}), trace_signals() as large:
            first.send(4)

    assert outline(outer) == [
        "first.send  sender=1",
        "  relay",
        "    second.send  sender=1",
        "      accept",
        "first.send  sender=2",
        "  relay",
    ]
    assert outline(small) == [
        "first.send  sender=2",
        "  relay",
        "    second.send  sender=2",
        "      accept",
    ]
    assert outline(large) == [
        "first.send  sender=4",
        "  relay",
        "    second.send  sender=4",
        "      accept",
    ]
    assert (outer.omitted, small.omitted, large.omitted) == (5, 2, 0)


@pytest.fixture
def threads_switch_often() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-7)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("threads_switch_often")
def test_the_limit_holds_exactly_when_many_threads_send(settings: Any) -> None:
    settings.SIGNAL_TRACER = {"MAX_DISPATCHES": 20}
    first.connect(relay)
    second.connect(accept)

    def send_some(begin: threading.Barrier) -> None:
        begin.wait()
        for number in range(3):
            first.send(number)

    found = set()
    for _ in range(200):  # The moment between looking for room and taking it is short.
        begin = threading.Barrier(8)
        with trace_signals(all_threads=True) as trace:
            threads = [threading.Thread(target=send_some, args=(begin,)) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        found.add((len(list(trace.walk())), trace.omitted))

    assert found == {(20, 28)}


# EXCLUDE_SIGNALS


def test_excluded_dispatches_are_counted_and_what_they_send_is_recorded(settings: Any) -> None:
    settings.SIGNAL_TRACER = {"EXCLUDE_SIGNALS": ["test_limits.first", "*.third"]}

    def relay_to_third(sender: object, **kwargs: object) -> None:
        third.send(sender)

    first.connect(relay)
    second.connect(accept)
    second.connect(relay_to_third)
    with trace_signals() as trace:
        first.send(1)
        third.send(2)
        third.connect(accept)
        second.send(3)

    assert outline(trace) == [
        "second.send  sender=1",
        "  accept",
        f"  {relay_to_third.__qualname__}",
        "second.send  sender=3",
        "  accept",
        f"  {relay_to_third.__qualname__}",
    ]
    # first once, third unheard twice and heard once.
    assert trace.excluded == 4
    assert trace.unheard == []
    assert trace.omitted == 0


def test_the_senders_of_an_excluded_signal_take_no_room_from_those_of_others(
    settings: Any,
) -> None:
    settings.SIGNAL_TRACER = {"EXCLUDE_SIGNALS": ["*.second"], "MAX_DISPATCHES": 3}
    with trace_signals() as trace:
        for number in range(10):
            second.send(f"sender {number}")
        first.send("the only one")

    assert trace.excluded == 10
    assert [(each.signal, each.sender, each.count) for each in trace.unheard] == [
        ("test_limits.first", "'the only one'", 1)
    ]


def test_what_an_excluded_dispatch_sends_belongs_to_the_receiver_around(settings: Any) -> None:
    settings.SIGNAL_TRACER = {"EXCLUDE_SIGNALS": ["*.second"]}

    def relay_on(sender: object, **kwargs: object) -> None:
        third.send(sender)

    first.connect(relay)
    second.connect(relay_on)
    third.connect(accept)
    with trace_signals() as trace:
        first.send(1)

    assert outline(trace) == [
        "first.send  sender=1",
        "  relay",
        "    third.send  sender=1",
        "      accept",
    ]
    assert trace.excluded == 1


def test_a_trace_keeps_what_is_sent_below_a_dispatch_that_only_it_excludes() -> None:
    first.connect(relay)
    second.connect(accept)
    with setting({"EXCLUDE_SIGNALS": ["*.first"]}):
        outer_tracing = trace_signals()
        with outer_tracing as outer, setting({}), trace_signals() as inner:
            first.send(1)

    assert outline(inner) == [
        "first.send  sender=1",
        "  relay",
        "    second.send  sender=1",
        "      accept",
    ]
    assert outline(outer) == ["second.send  sender=1", "  accept"]
    assert outer.excluded == 1


def test_an_excluded_dispatch_takes_no_room(settings: Any) -> None:
    settings.SIGNAL_TRACER = {"EXCLUDE_SIGNALS": ["*.first"], "MAX_DISPATCHES": 1}
    first.connect(relay)
    second.connect(accept)
    with trace_signals() as trace:
        first.send(1)
        first.send(2)

    assert outline(trace) == ["second.send  sender=1", "  accept"]
    assert (trace.excluded, trace.omitted) == (2, 1)


def test_signals_of_the_toolbar_are_excluded_unless_the_setting_says_otherwise() -> None:
    toolbar_signal = Signal()
    module = type(sys)("debug_toolbar.fake_signals")
    module.changed = toolbar_signal  # type: ignore[attr-defined]
    toolbar_signal.connect(accept)
    sys.modules[module.__name__] = module
    try:
        with trace_signals() as trace:
            toolbar_signal.send(None)
        with setting({"EXCLUDE_SIGNALS": []}), trace_signals() as all_of_it:
            toolbar_signal.send(None)
    finally:
        del sys.modules[module.__name__]

    assert (trace.dispatches, trace.excluded) == ([], 1)
    assert [each.signal for each in all_of_it.dispatches] == ["debug_toolbar.fake_signals.changed"]


# Unheard dispatches


def counts(trace: Trace) -> list[tuple[str, str, int]]:
    return [
        (each.signal.removeprefix("test_limits."), each.sender, each.count)
        for each in trace.unheard
    ]


def test_unheard_dispatches_are_counted_by_signal_and_sender() -> None:
    second.connect(accept, sender=int)
    with trace_signals() as trace:
        for _ in range(3):
            first.send(int)
            first.send("a string")
        first.send(None)
        second.send(str)
        second.send_robust(str)

    assert counts(trace) == [
        ("first", "'a string'", 3),
        ("first", "int", 3),
        ("second", "str", 2),
        ("first", "None", 1),
    ]
    assert trace.dispatches == []


async def test_unheard_async_dispatches_are_counted() -> None:
    second.connect(accept, sender=int)
    with trace_signals() as trace:
        await first.asend(None)
        await first.asend_robust(None)
        await second.asend(str)

    assert counts(trace) == [("first", "None", 2), ("second", "str", 1)]


def test_what_is_unheard_within_a_receiver_is_counted_too() -> None:
    first.connect(relay)
    with trace_signals() as trace:
        first.send(1)
        first.send(1)

    assert counts(trace) == [("second", "1", 2)]


def test_a_class_that_takes_the_place_of_a_dead_one_has_a_count_of_its_own() -> None:
    numbers: dict[int, int] = {}
    with trace_signals() as trace:
        for first_of_round in range(0, 300, 30):
            for number in range(first_of_round, first_of_round + 30):
                sender = type(f"Sender{number}", (), {"__module__": "made"})
                numbers[id(sender)] = number
                first.send(sender)
                first.send(sender)
            del sender
            # All thirty at once: what the allocator makes of one free place is its own affair.
            gc.collect()

    assert len(numbers) < 300, "no class took the place of another: this showed nothing"
    assert sorted(counts(trace)) == sorted(
        ("first", f"made.Sender{number}", 2) for number in range(300)
    )


def test_the_counts_of_dead_signals_remain() -> None:
    with trace_signals() as trace:
        for _ in range(50):
            Signal().send(None)

    assert [each.count for each in trace.unheard] == [1] * 50
    assert len({each.signal for each in trace.unheard}) == 50


def test_the_senders_of_unheard_dispatches_are_bounded(settings: Any) -> None:
    settings.SIGNAL_TRACER = {"MAX_DISPATCHES": 3}
    with trace_signals() as trace:
        for number in range(10):
            first.send(number)
        first.send(1)
        second.send("a")

    assert sorted(counts(trace)) == [
        ("first", "0", 1),
        ("first", "1", 2),
        ("first", "2", 1),
        ("first", "other senders", 7),
        ("second", "other senders", 1),
    ]


def test_nothing_is_counted_after_the_end() -> None:
    first.connect(accept)
    with trace_signals() as trace:
        second.send(int)
    with trace_signals() as other:
        for _ in range(3):
            first.send(int)
            second.send(int)

    assert counts(trace) == [("second", "int", 1)]
    assert counts(other) == [("second", "int", 3)]
    assert (trace.dispatches, len(other.dispatches)) == ([], 3)


# The other settings


def test_settings_are_read_when_a_trace_starts() -> None:
    first.connect(accept)
    with (
        trace_signals() as trace,
        setting(
            {
                "MAX_VALUE_LENGTH": 3,
                "MAX_DISPATCHES": 1,
                "RECORD_LOCATIONS": False,
                "SLOW_RECEIVER_MS": 0,
            }
        ),
    ):
        first.send(None, value="abcdef")
        first.send(None, value="abcdef")
        with trace_signals() as short:
            first.send(None, value="abcdef")
            first.send(None, value="abcdef")

    assert [each.kwargs for each in trace.dispatches][:2] == [{"value": "abcdef"}] * 2
    assert len(trace.dispatches) == 4
    assert trace.dispatches[0].sent_from is not None
    assert [each.kwargs for each in short.dispatches] == [
        {"value": Summary("'abc'… (6 characters)")}
    ]
    assert short.dispatches[0].sent_from is None
    assert short.is_slow(short.receiver_calls()[0])
    assert not trace.is_slow(trace.receiver_calls()[0])
    assert (trace.omitted, short.omitted) == (0, 1)


def test_a_wrong_setting_counts_as_absent() -> None:
    first.connect(accept)
    wrong: list[Any] = [
        {"MAX_DISPATCHES": 0, "MAX_VALUE_LENGTH": "many", "SLOW_RECEIVER_MS": 10**400},
        {"MAX_DISPATCHES": True, "EXCLUDE_SIGNALS": "*", "RECORD_LOCATIONS": 0},
        {"MAX_DISPATCHES": -1, "SLOW_RECEIVER_MS": float("nan"), 3: 4},
        ["MAX_DISPATCHES"],
        "on",
        None,
    ]
    for each in wrong:
        with setting(each), trace_signals() as trace:
            for _ in range(3):
                first.send(None, value="x" * 200)
        assert [each.kwargs for each in trace.dispatches] == [{"value": "x" * 200}] * 3
        assert trace.slow_after == 0.01
        assert trace.dispatches[0].sent_from is not None
