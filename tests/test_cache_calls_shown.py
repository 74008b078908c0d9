"""What a receiver asked of caches, in every output."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from signal_tracer.records import CacheCalls, Contents, Dispatch, ReceiverCall
from signal_tracer.showing.console import render_trace
from signal_tracer.showing.export.perfetto import to_perfetto
from signal_tracer.trace import Trace


@pytest.fixture
def trace() -> Trace:
    """Two equal dispatches, whose receiver asked two caches and then one of them again."""
    asked = [
        [CacheCalls("default", 3, 2, 1, 0, 0.0012), CacheCalls("sessions", 0, 0, 0, 1, 0.0003)],
        [CacheCalls("default", 1, 0, 0, 0, 0.0008)],
    ]
    dispatches = [
        Dispatch(
            "shop.paid",
            started_at=at,
            receiver_calls=[ReceiverCall("shop.pack", started_at=at, cache_calls=calls)],
        )
        for at, calls in enumerate(asked)
    ]
    return Trace(
        "checkout",
        started_at=datetime(2026, 1, 2, tzinfo=UTC),
        contents=Contents(dispatches=dispatches, duration=1.0),
    )


def test_the_outline_has_the_numbers_and_no_times(trace: Trace) -> None:
    assert trace.outline().splitlines() == [
        "shop.paid.send  sender=None",
        (
            "  shop.pack  cache default: 3 gets, 2 hits, 1 set, 0 deletes  "
            "cache sessions: 0 gets, 0 hits, 0 sets, 1 delete"
        ),
        "shop.paid.send  sender=None",
        "  shop.pack  cache default: 1 get, 0 hits, 0 sets, 0 deletes",
    ]


def test_the_console_has_those_of_folded_rows_together_with_their_times(trace: Trace) -> None:
    console = Console(file=io.StringIO(), width=200, _environ={})
    console.print(render_trace(trace))
    text = console.file.getvalue()  # type: ignore[attr-defined]  # it is a StringIO

    assert "6 cache calls" in text
    assert "shop.pack × 2  cache default: 4 gets, 2 hits, 1 set, 0 deletes" in text
    assert "cache sessions: 0 gets, 0 hits, 0 sets, 1 delete" in text
    assert "time in caches default: 2.00 ms" in text
    assert "time in caches sessions: 300 µs" in text


def test_perfetto_has_them_in_the_arguments_of_the_receivers_slice(trace: Trace) -> None:
    exported = to_perfetto(trace)
    first, second = (
        event["args"] for event in exported["traceEvents"] if event["name"] == "shop.pack"
    )

    assert first["cache_calls"] == (
        "cache default: 3 gets, 2 hits, 1 set, 0 deletes; "
        "cache sessions: 0 gets, 0 hits, 0 sets, 1 delete"
    )
    assert first["time_in_caches"] == "default: 1.20 ms; sessions: 300 µs"
    assert second["time_in_caches"] == "default: 800 µs"
    assert exported["otherData"]["cache_calls"] == 6


def test_a_receiver_that_asked_nothing_says_nothing_of_caches() -> None:
    trace = Trace(
        "checkout",
        started_at=datetime(2026, 1, 2, tzinfo=UTC),
        contents=Contents(
            dispatches=[Dispatch("shop.paid", receiver_calls=[ReceiverCall("shop.pack")])]
        ),
    )

    assert "cache" not in trace.outline()
    assert "cache" not in str(to_perfetto(trace))
