"""A trace as Chrome trace events, which ui.perfetto.dev opens."""

import json
from datetime import UTC, datetime

from signal_tracer.records import (
    Bypass,
    Contents,
    Dispatch,
    Location,
    NearMiss,
    OnCommit,
    Query,
    ReceiverCall,
    Skipped,
)
from signal_tracer.showing.export.perfetto import to_perfetto
from signal_tracer.trace import Trace


def trace_of(*dispatches, **contents):
    return Trace(
        "checkout",
        started_at=datetime(2026, 1, 2, tzinfo=UTC),
        contents=Contents(dispatches=list(dispatches), duration=1.0, **contents),
    )


def slices(trace):
    """Track, category, name, start and length in microseconds."""
    return [
        (event["tid"], event["cat"], event["name"], event["ts"], event["dur"])
        for event in to_perfetto(trace)["traceEvents"]
        if event["ph"] == "X"
    ]


def test_what_nests_is_on_one_track():
    query = Query("SELECT 1", started_at=0.002, duration=0.001)
    shipped = Dispatch("shop.shipped", started_at=0.004, duration=0.001)
    call = ReceiverCall(
        "shop.pack", started_at=0.001, duration=0.005, queries=[query], dispatches=[shipped]
    )
    trace = trace_of(Dispatch("shop.paid", started_at=0.001, duration=0.006, receiver_calls=[call]))

    assert slices(trace) == [
        (1, "dispatch", "shop.paid.send", 1000, 6000),
        (1, "call", "shop.pack", 1000, 5000),
        (1, "query", "SELECT 1", 2000, 1000),
        (1, "dispatch", "shop.shipped.send", 4000, 1000),
    ]


def test_what_ran_at_the_same_time_is_on_tracks_of_its_own():
    calls = [
        ReceiverCall("a.first", started_at=0.001, duration=0.004),
        ReceiverCall("a.second", started_at=0.002, duration=0.002),
        ReceiverCall("a.third", started_at=0.0045, duration=0.001),
        ReceiverCall("a.fourth", started_at=0.006, duration=0.001),
    ]
    trace = trace_of(
        Dispatch("a.b", method="asend", started_at=0.001, duration=0.01, receiver_calls=calls)
    )

    assert [(track, name) for track, _, name, _, _ in slices(trace)] == [
        (1, "a.b.asend"),
        (1, "a.first"),
        (2, "a.second"),
        (2, "a.third"),
        (1, "a.fourth"),
    ]
    names = [
        event["args"]["name"] for event in to_perfetto(trace)["traceEvents"] if event["ph"] == "M"
    ]
    assert names == ["checkout", "signals", "concurrent 2"]


def test_the_query_of_a_bulk_operation_is_inside_it():
    call = ReceiverCall(
        "a.import_lines",
        started_at=0.0,
        duration=0.01,
        queries=[Query("INSERT", started_at=0.002, duration=0.001)],
        bypasses=[
            Bypass(
                "bulk_create",
                "shop.Line",
                5,
                started_at=0.001,
                duration=0.004,
                skipped=[Skipped("post_save", "a.reindex"), Skipped("post_save", "a.log")],
            )
        ],
    )
    trace = trace_of(Dispatch("a.b", started_at=0.0, duration=0.01, receiver_calls=[call]))

    assert [(track, name) for track, _, name, _, _ in slices(trace)] == [
        (1, "a.b.send"),
        (1, "a.import_lines"),
        (1, "shop.Line.bulk_create()"),
        (1, "INSERT"),
    ]
    [bypass] = [
        event
        for event in to_perfetto(trace)["traceEvents"]
        if event["name"] == "shop.Line.bulk_create()"
    ]
    assert bypass["args"] == {
        "marks": "BYPASS",
        "model": "shop.Line",
        "method": "bulk_create()",
        "rows": 5,
        "skipped": 2,
    }
    skipped = [
        event for event in to_perfetto(trace)["traceEvents"] if event.get("cat") == "skipped"
    ]
    assert [(event["name"], event["args"]["waits_for"]) for event in skipped] == [
        ("SKIPPED: a.reindex", "post_save"),
        ("SKIPPED: a.log", "post_save"),
    ]


def test_slices_say_what_the_panel_says():
    call = ReceiverCall(
        "a.pack", Location("/srv/a.py", 3, "pack"), dispatch_uid="once", own_time=0.0005
    )
    dispatch = Dispatch("a.b", sender="a.Order", kwargs={"order": 7}, receiver_calls=[call])
    events = {event["name"]: event for event in to_perfetto(trace_of(dispatch))["traceEvents"]}

    assert events["a.b.send"]["args"] == {
        "signal": "a.b",
        "sender": "a.Order",
        "sent_with": "send()",
        "kwargs.order": "7",
    }
    assert events["a.pack"]["args"] == {
        "own_time_ms": 0.5,
        "receiver": "a.pack",
        "defined_at": "/srv/a.py:3",
        "dispatch_uid": "'once'",
        "sender": "a.Order",
        "response": "None",
        "kwargs.order": "7",
    }


def test_what_takes_no_time_is_an_instant():
    call = ReceiverCall(
        "a.pack", on_commit=[OnCommit("a.mail", registered_at=0.003, outcome="ran")]
    )
    dispatch = Dispatch(
        "a.b",
        started_at=0.002,
        receiver_calls=[call],
        near_misses=[NearMiss("a.log", "connected_to_parent")],
    )
    instants = [
        (event["cat"], event["name"], event["ts"], event["args"].get("why"))
        for event in to_perfetto(trace_of(dispatch))["traceEvents"]
        if event["ph"] == "i"
    ]
    assert instants == [
        (
            *("near_miss", "NEAR MISS: a.log", 2000),
            "connected to another sender, a parent class of the sender",
        ),
        ("on_commit", "on_commit a.mail", 3000, "ran after the commit"),
    ]


def test_a_deep_trace_is_no_recursion_and_all_of_it_is_json():
    dispatch = Dispatch("a.innermost")
    for _ in range(2000):
        dispatch = Dispatch("a.b", receiver_calls=[ReceiverCall("a.again", dispatches=[dispatch])])

    assert len(slices(trace_of(dispatch))) == 4001
    json.dumps(to_perfetto(trace_of(dispatch)), allow_nan=False)
