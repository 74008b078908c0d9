"""Who watches a trace while it runs is told of outermost dispatches; the others pay nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from django.dispatch import Signal

from signal_tracer import Trace, trace_signals
from signal_tracer.collecting.following import Follower
from signal_tracer.collecting.nodes import current
from signal_tracer.conf import Config
from signal_tracer.records import Dispatch
from signal_tracer.tracer import reported

paid, shipped = Signal(), Signal()


def receipt(sender: object, **kwargs: object) -> str:
    return "sent"


def ship(sender: object, **kwargs: object) -> None:
    shipped.send("the shop")


async def hear(sender: object, **kwargs: object) -> str:
    await asyncio.sleep(0)
    return "heard"


def fail(sender: object, **kwargs: object) -> None:
    raise ValueError("no paper")


@pytest.fixture(autouse=True)
def receivers(settings: Any) -> Iterator[None]:
    settings.SIGNAL_TRACER = {}
    paid.connect(ship)
    shipped.connect(receipt)
    yield
    paid.receivers = []
    shipped.receivers = []


class Following:
    """Keeps what it is told."""

    def __init__(self, *signals: str, **options: Any) -> None:
        self.told: list[Dispatch | None] = []
        self.counts: list[int] = []
        self.signals = signals
        self.follower: Any = None
        self.tracing = reported(make_recorder=self.make_recorder, **options)

    def make_recorder(self, config: Config) -> Follower:
        self.follower = Follower(config, self.signals, self.tell)
        return self.follower

    def tell(self, follower: Follower, dispatch: Dispatch | None) -> None:
        self.told.append(dispatch)
        self.counts.append(follower.dispatch_count)

    def names(self) -> list[tuple[str, int] | None]:
        """The last part of each signal, and how many receivers were called; ``None`` as such."""
        return [
            each and (each.signal.rpartition(".")[2], len(each.receiver_calls))
            for each in self.told
        ]


def test_an_outermost_dispatch_is_told_when_it_has_ended_with_what_is_nested_in_it() -> None:
    following = Following()
    with following.tracing as trace:
        paid.send("the shop", total=9)
        assert following.names() == [("paid", 1)]
        (told,) = following.told
        assert told is not None
        assert [each.signal for each in told.receiver_calls[0].dispatches] == [
            "test_following.shipped"
        ]
        shipped.send("the shop")
        assert following.names() == [("paid", 1), ("shipped", 1)]
        Signal().send("nobody")

    assert following.names() == [("paid", 1), ("shipped", 1)]
    assert [each.kwargs for each in trace.dispatches] == [{"total": 9}, {}]
    assert following.told[0] == trace.dispatches[0]


@pytest.mark.parametrize("method", ["send", "send_robust"])
def test_a_dispatch_that_raises_or_swallows_is_told_with_its_error(method: str) -> None:
    paid.connect(fail)
    following = Following()
    with following.tracing:
        if method == "send":
            with pytest.raises(ValueError, match="no paper"):
                paid.send("the shop")
        else:
            paid.send_robust("the shop")

    (told,) = following.told
    assert told is not None
    assert (told.error is not None) == (method == "send")
    assert [each.outcome for each in told.receiver_calls] == [
        "returned",
        "raised" if method == "send" else "swallowed",
    ]


async def test_dispatches_of_async_code_are_told_once_each_also_where_they_overlap() -> None:
    paid.connect(hear)
    following = Following()
    with following.tracing:
        responses = await asyncio.gather(*(paid.asend("the shop") for _ in range(3)))

    assert responses == [[(ship, None), (hear, "heard")]] * 3
    assert following.names() == [("paid", 2)] * 3
    assert all(each.duration >= 0 for each in following.told if each)


def test_those_beyond_the_limit_are_told_as_nothing_and_counted(settings: Any) -> None:
    settings.SIGNAL_TRACER = {"MAX_DISPATCHES": 2}
    following = Following()
    with following.tracing as trace:
        for _ in range(4):
            shipped.send("the shop")

    assert following.names() == [("shipped", 1), ("shipped", 1), None, None]
    assert following.counts == [1, 2, 3, 4]
    assert trace.omitted == 2


def test_a_signal_that_is_asked_for_is_outermost_below_one_that_is_not() -> None:
    following = Following("shipped")
    with following.tracing as trace:
        paid.send("the shop")
        Signal().send("nobody")

    assert following.names() == [("shipped", 1)]
    assert [each.signal for each in trace.dispatches] == ["test_following.shipped"]
    assert trace.excluded == 0
    assert trace.unheard == []
    assert following.follower.others == 2


def test_what_a_pattern_excludes_stays_counted_as_such(settings: Any) -> None:
    settings.SIGNAL_TRACER = {"EXCLUDE_SIGNALS": ["*.paid"]}
    following = Following("shipped")
    with following.tracing as trace:
        paid.send("the shop")

    assert (trace.excluded, following.follower.others) == (1, 0)


def test_a_trace_inside_and_one_around_see_what_they_see_without() -> None:
    following = Following()
    with trace_signals() as around, following.tracing, trace_signals() as inside:
        paid.send("the shop")

    assert following.names() == [("paid", 1)]
    for trace in (around, inside):
        assert [call.receiver for call in trace.receiver_calls()] == [
            "test_following.ship",
            "test_following.receipt",
        ]


def test_of_two_who_follow_one_within_the_other_each_is_told() -> None:
    around, inside = Following(), Following("shipped")
    with around.tracing:
        shipped.send("the shop")
        with inside.tracing:
            shipped.send("the shop")
            paid.send("the shop")
        shipped.send("the shop")

    assert around.names() == [("shipped", 1), ("shipped", 1), ("paid", 1), ("shipped", 1)]
    assert inside.names() == [("shipped", 1), ("shipped", 1)]


def test_one_who_fails_when_told_disturbs_nobody_and_is_a_fault(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Failing(Following):
        def tell(self, follower: Follower, dispatch: Dispatch | None) -> None:
            raise LookupError("no terminal")

    following = Failing()
    with following.tracing as trace:
        assert shipped.send("the shop") == [(receipt, "sent")]
    assert current.get() is None

    assert trace.faults == 1
    assert len(trace.dispatches) == 1
    assert any("no terminal" in (each.exc_text or str(each.exc_info)) for each in caplog.records)


def test_a_dispatch_that_ends_after_its_trace_is_told_to_nobody() -> None:
    following = Following()

    def end(sender: object, **kwargs: object) -> None:
        following.tracing.__exit__(None, None, None)

    shipped.connect(end)
    trace: Trace = following.tracing.__enter__()
    shipped.send("the shop")

    assert following.told == []
    assert len(trace.dispatches) == 1


def test_a_dispatch_that_nobody_follows_has_nothing_for_it() -> None:
    with trace_signals():
        tracing = current.get()
        assert tracing is not None
        recorder = tracing.recorders.innermost
        assert recorder is not None
        shipped.send("the shop")
        assert type(recorder.dispatches) is list
        assert recorder.dispatches[0]._rare is None
