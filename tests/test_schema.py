"""The JSON of a trace: what docs/trace.schema.json promises, and that nothing is lost in it."""

import copy
import json
import runpy
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, get_args

import pytest
from django.dispatch import Signal
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from signal_tracer import trace_signals
from signal_tracer.records import (
    Bypass,
    CacheCalls,
    ConnectionChange,
    Contents,
    Dispatch,
    Error,
    HandledException,
    Location,
    Method,
    NearMiss,
    OnCommit,
    Outcome,
    Query,
    Reason,
    ReceiverCall,
    Request,
    Skipped,
    Summary,
    TracebackLine,
    Unheard,
    Unwatched,
)
from signal_tracer.trace import Trace, TraceFormatError

DOCS = Path(__file__).parent.parent / "docs"
SCHEMA = json.loads((DOCS / "trace.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)


def rich_trace() -> Trace:
    """A trace in which every kind of record occurs, and every field holds something."""
    shipped = Dispatch(
        signal="shop.signals.shipped",
        sender="shop.Order",
        method="asend_robust",
        sent_from=Location("/site/shop/receivers.py", 21, "relay"),
        started_at=0.25,
        duration=0.5,
        receiver_calls=[
            ReceiverCall("shop.receivers.notify", is_async=True, outcome="cancelled"),
            ReceiverCall("shop.receivers.log", outcome="running"),
        ],
    )
    paid = Dispatch(
        signal="shop.signals.paid",
        sender="shop.Order",
        method="send_robust",
        kwargs={"amount": 12.5, "count": 3, "note": None, "order": Summary("shop.Order(pk=3)")},
        sent_from=Location("/site/shop/views.py", 8, "checkout"),
        started_at=0.125,
        duration=1.5,
        receiver_calls=[
            ReceiverCall(
                "shop.receivers.relay",
                defined_at=Location("/site/shop/receivers.py", 19, "relay"),
                dispatch_uid="relay-paid",
                started_at=0.2,
                duration=1.0,
                own_time=0.5,
                response=True,
                dispatches=[shipped],
                queries=[
                    Query("UPDATE shop_order SET paid = %s", "replica", 0.3, 0.01, True, 4),
                    Query('SELECT "shop_order"."id" FROM "shop_order"', started_at=0.4),
                ],
                omitted_queries=9,
                bypasses=[
                    Bypass(
                        "bulk_create",
                        "shop.Line",
                        rows=50,
                        options=("ignore_conflicts",),
                        sent_from=Location("/site/shop/receivers.py", 23, "relay"),
                        started_at=0.5,
                        duration=0.125,
                        skipped=[
                            Skipped(
                                "django.db.models.signals.post_save",
                                "search.receivers.index",
                                Location("/site/search/receivers.py", 5, "index"),
                                "index",
                                True,
                            )
                        ],
                    )
                ],
                on_commit=[
                    OnCommit(
                        "shop.receivers.relay.<locals>.<lambda>",
                        "replica",
                        Location("/site/shop/receivers.py", 24, "relay.<locals>.<lambda>"),
                        registered_at=0.6,
                        outcome="ran",
                        ran_at=1.4,
                        duration=0.01,
                    ),
                    OnCommit("shop.receivers.later", outcome="discarded"),
                ],
                handled=[
                    HandledException(
                        "builtins.KeyError",
                        "'stock'",
                        Location("/site/shop/receivers.py", 26, "relay"),
                        Location("/site/shop/receivers.py", 27, "relay"),
                    )
                ],
                omitted_handled=2,
                cache_calls=[CacheCalls("sessions", 3, 2, 1, 1, 0.004)],
            ),
            ReceiverCall(
                "shop.receivers.send_receipt",
                outcome="swallowed",
                response=Summary("ValueError"),
                error=Error(
                    "builtins.ValueError",
                    "no address",
                    (
                        TracebackLine(
                            Location("/site/shop/receivers.py", 31, "send_receipt"),
                            'raise ValueError("no address")',
                        ),
                    ),
                ),
            ),
        ],
        near_misses=[
            NearMiss(
                "shop.receivers.count",
                "not_run",
                defined_at=Location("/site/shop/receivers.py", 40, "count"),
                dispatch_uid=Summary("tuple"),
            ),
            NearMiss("shop.receivers.audit", "connected_to_parent", connected_to="shop.Base"),
        ],
        error=Error("builtins.KeyError", "'total'"),
        in_atomic=("default", "replica"),
        rolled_back=("replica",),
        on_commit="shop.views.checkout.<locals>.<lambda>",
    )
    chained = Dispatch("shop.signals.chained", unwatched=["shop.receivers.count"])
    return Trace(
        "checkout",
        started_at=datetime(2026, 3, 1, 12, 30, 15, 250, tzinfo=UTC),
        request=Request("POST", "/checkout/", 302),
        slow_after=0.02,
        ignore_findings=("slow-receiver:shop.*",),
        contents=Contents(
            dispatches=[paid, chained],
            unheard=[
                Unheard(
                    "django.db.models.signals.post_init",
                    "shop.Order",
                    7,
                    (NearMiss("shop.receivers.greet", "muted"),),
                )
            ],
            bypasses=[Bypass("update", "shop.Order")],
            connection_changes=[
                ConnectionChange(
                    "disconnect",
                    "shop.signals.paid",
                    "shop.receivers.count",
                    sender="shop.Order",
                    dispatch_uid="count",
                    called_from=Location("/site/shop/views.py", 3, "checkout"),
                    started_at=0.01,
                    was_connected=False,
                )
            ],
            other_queries=3,
            unwatched=[Unwatched("shop.signals.chained", "send_chained", 2)],
            omitted=4,
            omitted_details=9,
            too_deep=8,
            excluded=5,
            faults=6,
            duration=2.0,
        ),
    )


def objects_in(data: object) -> Iterator[dict[str, Any]]:
    """Every JSON object in ``data``, at any depth."""
    if isinstance(data, dict):
        yield data
        for value in data.values():
            yield from objects_in(value)
    elif isinstance(data, list):
        for value in data:
            yield from objects_in(value)


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_the_schema_is_what_its_script_makes_of_the_records() -> None:
    script = runpy.run_path(str(DOCS / "make_schema.py"))

    assert (DOCS / "trace.schema.json").read_text() == script["text"](), (
        "run: python docs/make_schema.py"
    )


def test_a_trace_with_every_kind_of_record_satisfies_the_schema() -> None:
    VALIDATOR.validate(rich_trace().to_dict())


def test_a_trace_without_anything_satisfies_the_schema() -> None:
    VALIDATOR.validate(Trace("nothing", started_at=datetime(2026, 3, 1, tzinfo=UTC)).to_dict())


def test_a_recorded_trace_satisfies_the_schema() -> None:
    paid, shipped = Signal(), Signal()

    def relay(signal: Signal, **kwargs: object) -> object:
        return shipped.send_robust(sender=Signal, order=[1, {"card": "4111"}], amount=12)

    def fail(signal: Signal, **kwargs: object) -> None:
        raise ValueError("no address")

    paid.connect(relay)
    shipped.connect(fail, dispatch_uid="fail")
    with trace_signals("recorded") as trace:
        paid.send(sender=None)
    VALIDATOR.validate(trace.to_dict())
    assert [call.outcome for call in trace.receiver_calls()] == ["returned", "swallowed"]


def test_the_schema_refuses_an_unknown_key_in_every_object() -> None:
    document = rich_trace().to_dict()
    for place in range(len(list(objects_in(document)))):
        damaged = copy.deepcopy(document)
        list(objects_in(damaged))[place]["surprise"] = {"not": "a value"}
        assert not VALIDATOR.is_valid(damaged), list(objects_in(document))[place]


def test_the_schema_asks_for_every_key_of_every_object() -> None:
    document = rich_trace().to_dict()
    for place, each in enumerate(objects_in(document)):
        if set(each) <= {"amount", "count", "note", "order"}:
            continue  # the keyword arguments of a dispatch: any names will do
        for key in each:
            damaged = copy.deepcopy(document)
            del list(objects_in(damaged))[place][key]
            assert not VALIDATOR.is_valid(damaged), (key, each)


@pytest.mark.parametrize(
    ("words", "definition", "key"),
    [
        (Method, "dispatch", "method"),
        (Outcome, "receiver_call", "outcome"),
        (Reason, "near_miss", "reason"),
    ],
)
def test_the_schema_lists_the_words_that_the_code_knows(
    words: object, definition: str, key: str
) -> None:
    assert SCHEMA["$defs"][definition]["properties"][key]["enum"] == list(get_args(words))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("version", 1),
        ("started_at", "2026-03-01T12:30:15"),
        ("duration", -1),
        ("omitted", 1.5),
        ("unheard", [{"signal": "paid", "sender": "None", "count": 0}]),
    ],
)
def test_the_schema_refuses_a_wrong_value(key: str, value: object) -> None:
    assert not VALIDATOR.is_valid(rich_trace().to_dict() | {key: value})


def test_data_that_is_no_trace_is_refused_with_what_is_wrong() -> None:
    damaged = rich_trace().to_dict()
    del damaged["dispatches"][0]["receiver_calls"][0]["outcome"]
    with pytest.raises(TraceFormatError, match="damaged") as refused:
        Trace.from_dict(damaged)
    assert str(refused.value) == (
        "This trace is damaged (dispatches[0].receiver_calls[0].outcome: expected one of "
        "'returned', 'raised', 'swallowed', 'cancelled', 'running', found nothing). "
        "Compare it with docs/trace.schema.json, or record it again."
    )
    with pytest.raises(TraceFormatError, match="has no 'version'"):
        Trace.from_dict({"name": "checkout"})
    with pytest.raises(TraceFormatError, match="version 99, and this signal_tracer reads"):
        Trace.from_dict({"version": 99})


names = st.text(max_size=8)
seconds = st.floats(0, 1e6)
counts = st.integers(1, 1000)
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.builds(Summary, names),
)
locations = st.builds(Location, names, st.integers(1, 100_000), names)
traceback_lines = st.builds(TracebackLine, locations, names)
errors = st.builds(Error, names, names, st.lists(traceback_lines, max_size=2).map(tuple))
near_misses = st.builds(
    NearMiss,
    receiver=names,
    reason=st.just("not_run"),
    defined_at=st.none() | locations,
    dispatch_uid=values,
    is_async=st.booleans(),
)


def receiver_calls(dispatches: st.SearchStrategy[Dispatch]) -> st.SearchStrategy[ReceiverCall]:
    return st.builds(
        ReceiverCall,
        receiver=names,
        defined_at=st.none() | locations,
        dispatch_uid=values,
        is_async=st.booleans(),
        started_at=seconds,
        duration=seconds,
        own_time=seconds,
        outcome=st.sampled_from(get_args(Outcome)),
        response=values,
        error=st.none() | errors,
        dispatches=st.lists(dispatches, max_size=2),
    )


def dispatches_with(calls: st.SearchStrategy[list[ReceiverCall]]) -> st.SearchStrategy[Dispatch]:
    return st.builds(
        Dispatch,
        signal=names,
        sender=names,
        method=st.sampled_from(get_args(Method)),
        kwargs=st.dictionaries(names, values, max_size=2),
        sent_from=st.none() | locations,
        started_at=seconds,
        duration=seconds,
        receiver_calls=calls,
        near_misses=st.lists(near_misses, max_size=1),
        error=st.none() | errors,
        unwatched=st.none() | st.lists(names, max_size=2),
    )


dispatches = st.recursive(
    dispatches_with(st.builds(list)),
    lambda nested: dispatches_with(st.lists(receiver_calls(nested), max_size=2)),
    max_leaves=4,
)
offsets = st.integers(-720, 840).map(lambda minutes: timezone(timedelta(minutes=minutes)))
traces = st.builds(
    Trace,
    name=names,
    started_at=st.datetimes(timezones=offsets),
    request=st.none() | st.builds(Request, names, names, st.none() | st.integers(100, 599)),
    slow_after=seconds,
    contents=st.builds(
        Contents,
        dispatches=st.lists(dispatches, max_size=2),
        unheard=st.lists(st.builds(Unheard, names, names, counts), max_size=2),
        unwatched=st.lists(st.builds(Unwatched, names, names, counts), max_size=2),
        omitted=counts,
        omitted_details=counts,
        too_deep=counts,
        excluded=counts,
        faults=counts,
        duration=seconds,
    ),
)


@given(traces)
def test_nothing_is_lost_on_the_way_to_json_and_back(trace: Trace) -> None:
    text = trace.to_json()
    VALIDATOR.validate(json.loads(text))
    read = Trace.from_dict(json.loads(text))
    assert read.contents == trace.contents
    assert (read.name, read.started_at, read.request, read.slow_after) == (
        trace.name,
        trace.started_at,
        trace.request,
        trace.slow_after,
    )
    # Text tells 1 from 1.0 and True, which == does not.
    assert read.to_json() == text
