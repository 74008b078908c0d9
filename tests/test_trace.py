"""The questions a trace answers, while it runs, after its end, and read from JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db.models.signals import post_save
from django.dispatch import Signal
from django.utils.functional import SimpleLazyObject

from shop.models import Order, Product
from signal_tracer import Dispatch, ReceiverCall, Trace, trace_signals
from signal_tracer.describing.errors import CapturedError
from signal_tracer.describing.values import Capture
from signal_tracer.records import Contents, Error, Location, NearMiss, Summary, show_value
from signal_tracer.trace import TraceFormatError

paid = Signal()
shipped = Signal()


class Warehouse:
    def pack(self, **kwargs: object) -> None:
        """A method as a receiver."""


warehouse = Warehouse()


def relay(sender: object, **kwargs: object) -> None:
    shipped.send(sender, twice=True)
    shipped.send(sender)


def notify(**kwargs: object) -> str:
    return "told"


@pytest.fixture(autouse=True)
def connected() -> Iterator[None]:
    paid.connect(relay)
    paid.connect(warehouse.pack)
    shipped.connect(notify)
    yield
    for signal in (paid, shipped):
        signal.receivers = []
        signal.sender_receivers_cache.clear()


@pytest.fixture
def trace() -> Trace:
    with trace_signals("checkout") as trace:
        paid.send(Order)
        shipped.send("the shop")
        paid.send(Order(pk=3))
    return trace


def lines(dispatches: list[Dispatch]) -> list[str]:
    return [str(each).replace("test_trace.", "") for each in dispatches]


# walk(), find() and the like


def test_walk_goes_through_each_dispatch_before_those_nested_in_it(trace: Trace) -> None:
    assert lines(list(trace.walk())) == [
        "paid.send  sender=shop.Order",
        "shipped.send  sender=shop.Order",
        "shipped.send  sender=shop.Order",
        "shipped.send  sender='the shop'",
        "paid.send  sender=shop.Order(pk=3)",
        "shipped.send  sender=shop.Order(pk=3)",
        "shipped.send  sender=shop.Order(pk=3)",
    ]


def test_walk_is_not_stopped_by_depth() -> None:
    dispatch = Dispatch("deep")
    for _ in range(5_000):
        dispatch = Dispatch("deep", receiver_calls=[ReceiverCall("r", dispatches=[dispatch])])
    trace = Trace("deep", started_at=datetime.now(UTC), contents=Contents(dispatches=[dispatch]))

    assert len(list(trace.walk())) == 5_001
    assert len(trace.receiver_calls()) == 5_000


@pytest.mark.parametrize(
    ("question", "count"),
    [
        ({}, 7),
        ({"signal": "test_trace.paid"}, 2),
        ({"signal": "paid"}, 2),
        ({"signal": "aid"}, 0),
        ({"signal": "test_trace.*"}, 7),
        ({"signal": paid}, 2),
        ({"signal": post_save}, 0),
        ({"sender": "shop.Order"}, 3),
        ({"sender": "Order"}, 3),
        ({"sender": "shop.Order*"}, 6),
        ({"sender": Order}, 3),
        ({"sender": Order(pk=3)}, 3),
        ({"sender": "'the shop'"}, 1),
        ({"sender": Product}, 0),
        ({"receiver": relay}, 2),
        ({"receiver": "relay"}, 2),
        ({"receiver": warehouse.pack}, 2),
        ({"receiver": "Warehouse.pack"}, 2),
        ({"receiver": "test_trace.notify"}, 5),
        ({"signal": shipped, "sender": Order, "receiver": notify}, 2),
        ({"signal": paid, "receiver": notify}, 0),
    ],
)
def test_find_takes_names_patterns_and_objects(
    trace: Trace, question: dict[str, Any], count: int
) -> None:
    assert len(trace.find(**question)) == count


def test_find_looks_at_what_it_is_given_without_running_it(trace: Trace) -> None:
    def set_up() -> object:
        raise AssertionError("the lazy object was set up")

    assert trace.find(sender=SimpleLazyObject(set_up)) == []


def test_find_finds_the_dispatches_that_could_not_be_watched() -> None:
    trace = Trace(
        "by hand",
        started_at=datetime.now(UTC),
        contents=Contents(dispatches=[Dispatch("paid", unwatched=["shop.receivers.relay"])]),
    )

    assert len(trace.find(receiver="relay")) == 1
    assert trace.find(receiver="notify") == []


@pytest.mark.parametrize("role", ["signal", "sender", "receiver"])
def test_find_in_a_trace_from_json_takes_names_only(trace: Trace, role: str) -> None:
    again = Trace.from_dict(json.loads(trace.to_json()))

    assert len(again.find(signal="paid", sender="Order", receiver="relay")) == 1
    with pytest.raises(TypeError, match=rf"knows names only: find\({role}=\.\.\.\) takes a name"):
        again.find(**{role: Order})


def test_receiver_calls_and_swallowed() -> None:
    def fail(**kwargs: object) -> None:
        raise ValueError("no address")

    paid.connect(fail)
    with trace_signals() as trace:
        paid.send_robust(None)

    assert [call.receiver.rpartition(".")[2] for call in trace.receiver_calls()] == [
        *("relay", "pack", "fail", "notify", "notify"),
    ]
    assert [str(call).rpartition(".")[2] for call in trace.swallowed()] == [
        "fail  SWALLOWED ValueError: no address"
    ]


# What a trace looks like


def test_a_trace_reads_as_an_outline(trace: Trace) -> None:
    assert trace.outline().replace("test_trace.", "").splitlines() == [
        "paid.send  sender=shop.Order",
        "  relay",
        "    shipped.send  sender=shop.Order",
        "      notify",
        "    shipped.send  sender=shop.Order",
        "      notify",
        "  Warehouse.pack",
        "shipped.send  sender='the shop'",
        "  notify",
        "paid.send  sender=shop.Order(pk=3)",
        "  relay",
        "    shipped.send  sender=shop.Order(pk=3)",
        "      notify",
        "    shipped.send  sender=shop.Order(pk=3)",
        "      notify",
        "  Warehouse.pack",
    ]
    assert repr(trace) == "<Trace 'checkout'>"


def test_the_outline_says_how_calls_ended_and_what_did_not_run() -> None:
    def fail(**kwargs: object) -> None:
        raise ValueError("no address")

    signal = Signal()
    signal.connect(fail)
    signal.connect(notify)
    with trace_signals() as trace, pytest.raises(ValueError, match="no address"):
        signal.send(None)

    assert [line.rpartition(".")[2] for line in trace.outline().splitlines()][1:] == [
        "fail  RAISED ValueError: no address",
        "notify  NOT RUN",
    ]


def test_an_empty_trace_says_so() -> None:
    with trace_signals() as trace:
        pass

    assert trace.outline() == "no dispatches"
    assert (trace.dispatches, trace.unheard, trace.omitted, trace.faults) == ([], [], 0, 0)


def test_values_are_shown_as_a_person_would_read_them() -> None:
    values = ["a 'b'", 1.5, None, True, Summary("[redacted]")]

    assert [show_value(value) for value in values] == [
        *("\"a 'b'\"", "1.5", "None", "True", "[redacted]"),
    ]
    assert str(Summary("shop.Order(pk=3)")) == "shop.Order(pk=3)"
    assert str(Location("shop/views.py", 3, "pay")) == "shop/views.py:3"
    assert str(Error("shop.errors.Refused", "")) == "Refused"
    assert str(NearMiss("r", "not_run").reason) == "not_run"


# While it runs


def test_a_trace_may_be_read_while_it_runs() -> None:
    seen = []

    def look(**kwargs: object) -> None:
        seen.append(trace.outline().splitlines())
        seen.append([call.outcome for call in trace.receiver_calls()])

    shipped.connect(look)
    with trace_signals() as trace:
        assert trace.outline() == "no dispatches"
        shipped.send(None)
        first = trace.duration
        assert trace.duration > first
    name = f"test_trace.{look.__qualname__}"

    assert seen == [
        [
            "test_trace.shipped.send  sender=None",
            "  test_trace.notify",
            f"  {name}  RUNNING",
        ],
        ["returned", "running"],
    ]
    assert [call.outcome for call in trace.receiver_calls()] == ["returned", "returned"]
    assert trace.duration == trace.duration


def test_times_lie_within_each_other(trace: Trace) -> None:
    def check(dispatches: list[Dispatch], start: float, end: float) -> None:
        for dispatch in dispatches:
            assert start <= dispatch.started_at
            assert dispatch.started_at + dispatch.duration <= end + 1e-9
            for call in dispatch.receiver_calls:
                until = call.started_at + call.duration
                assert dispatch.started_at <= call.started_at
                assert until <= dispatch.started_at + dispatch.duration + 1e-9
                assert 0 <= call.own_time <= call.duration
                nested = sum(each.duration for each in call.dispatches)
                assert call.own_time == pytest.approx(call.duration - nested, abs=1e-9)
                check(call.dispatches, call.started_at, until)

    check(trace.dispatches, 0, trace.duration)
    assert trace.started_at.tzinfo is UTC


def test_a_trace_is_started_once() -> None:
    tracing = trace_signals()
    with tracing:
        with pytest.raises(RuntimeError, match="a trace starts once"):
            tracing.__enter__()
        paid.send(None)
    with pytest.raises(RuntimeError, match="with a new one"):
        tracing.__enter__()


def test_an_exception_in_the_block_goes_on_and_ends_the_trace() -> None:
    error = KeyError()
    tracing = trace_signals()

    def fail() -> None:
        with tracing:
            paid.send(None)
            raise error

    with trace_signals() as outer:
        with pytest.raises(KeyError) as caught:
            fail()
        paid.send(None)

    assert caught.value is error
    assert len(outer.dispatches) == 2
    with pytest.raises(RuntimeError):
        tracing.__enter__()


def test_a_trace_ended_twice_or_never_started_changes_nothing() -> None:
    trace_signals().__exit__(None, None, None)
    tracing = trace_signals()
    with trace_signals() as outer:
        with tracing:
            paid.send(None)
        tracing.__exit__(None, None, None)
        paid.send(None)

    assert len(outer.dispatches) == 2


# From JSON


def test_a_trace_comes_back_from_json_as_it_was(trace: Trace) -> None:
    again = Trace.from_dict(json.loads(trace.to_json(indent=2)))

    assert again.to_dict() == trace.to_dict()
    assert str(again) == str(trace)
    assert again.dispatches == trace.dispatches


@pytest.mark.parametrize(
    "data",
    [None, [], {}, "trace", 3, {"name": "x"}],
    ids=["None", "list", "empty", "text", "number", "no version"],
)
def test_data_that_is_no_trace_is_refused(data: Any) -> None:
    with pytest.raises(TraceFormatError, match=r"not a trace.*Give what Trace\.to_dict"):
        Trace.from_dict(data)


@pytest.mark.parametrize("version", [0, 1, "2", None, 1.5, [1]])
def test_a_trace_of_another_version_is_refused(trace: Trace, version: Any) -> None:
    with pytest.raises(TraceFormatError, match=r"version .*reads version 5\. Read it with"):
        Trace.from_dict(trace.to_dict() | {"version": version})


@pytest.mark.parametrize("key", ["name", "started_at", "dispatches", "unheard", "omitted"])
def test_a_damaged_trace_is_refused_with_what_is_wrong(trace: Trace, key: str) -> None:
    data = trace.to_dict()
    del data[key]

    with pytest.raises(TraceFormatError, match=rf"damaged \({key}: expected .*trace.schema.json"):
        Trace.from_dict(data)


@pytest.mark.parametrize(
    "damage",
    [
        {"started_at": "yesterday"},
        {"started_at": 5},
        {"dispatches": None},
        {"dispatches": [{}]},
        {"dispatches": ["a"]},
        {"dispatches": 7},
        {"unheard": [{"signal": "a"}]},
        {"unheard": [{"signal": "a", "sender": "b", "count": 1, "more": 2}]},
        {"request": {"verb": "GET"}},
        {"request": "GET /"},
    ],
    ids=json.dumps,
)
def test_a_trace_with_damage_in_any_part_is_refused(trace: Trace, damage: dict[str, Any]) -> None:
    with pytest.raises(TraceFormatError, match="This trace is damaged"):
        Trace.from_dict(trace.to_dict() | damage)


WITHOUT_SUMMARY = (
    r"dispatches\[0\]\.receiver_calls\[0\]\.dispatches\[0\]\.kwargs\.twice\.summary: "
    "expected text, found nothing"
)


def test_deep_damage_is_refused(trace: Trace) -> None:
    data = json.loads(trace.to_json())
    data["dispatches"][0]["receiver_calls"][0]["dispatches"][0]["kwargs"]["twice"] = {}

    with pytest.raises(TraceFormatError, match=WITHOUT_SUMMARY):
        Trace.from_dict(data)


@pytest.mark.parametrize(
    ("lines", "shown"),
    [(40, ["a line"] * 40), (41, [*["a line"] * 5, "… 1 more", *["a line"] * 35])],
)
def test_a_traceback_of_forty_lines_is_whole_and_a_longer_one_says_what_is_missing(
    lines: int, shown: list[str]
) -> None:
    def fall(steps: int) -> None:
        if steps:
            fall(steps - 1)
        raise RuntimeError("fallen")

    with pytest.raises(RuntimeError, match="fallen") as raised:
        fall(lines - 2)  # And this function's own line.
    captured = CapturedError(raised.value, Capture(200), lambda file: False)

    assert [each.code for each in captured.render(lambda *_: "a line").traceback] == shown
