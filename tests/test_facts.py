"""Facts: what records say of themselves, and that every output lays out the same."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import get_args

import pytest
from django.test import RequestFactory
from rich.console import Console

from signal_tracer.panel import SignalTracerPanel
from signal_tracer.phrases import Count, Seconds, Sentence
from signal_tracer.records import (
    Bypass,
    ConnectionChange,
    Contents,
    Dispatch,
    Errand,
    Error,
    Location,
    NearMiss,
    OnCommit,
    Query,
    Reason,
    ReceiverCall,
    Skipped,
    TracebackLine,
    Unheard,
    Unwatched,
)
from signal_tracer.showing.console import render_trace
from signal_tracer.showing.export.perfetto import to_perfetto
from signal_tracer.showing.facts import (
    ABOUT,
    MARKS,
    Counts,
    Fact,
    OfReceiverCall,
    tallies,
)
from signal_tracer.showing.outline import is_empty, text
from signal_tracer.showing.rows import Row, rows_of
from signal_tracer.trace import Trace

PAY = Location("shop/views.py", 30, "pay")


def traced(*dispatches: Dispatch, **contents: object) -> Trace:
    return Trace(
        "test",
        started_at=datetime(2025, 1, 1, tzinfo=UTC),
        contents=Contents(dispatches=list(dispatches), **contents),
    )


def drawn(trace: Trace) -> str:
    console = Console(file=io.StringIO(), width=100, _environ={})
    console.print(render_trace(trace))
    return console.file.getvalue()


def panel_of(trace: Trace) -> str:
    from types import SimpleNamespace

    toolbar = SimpleNamespace(stats={}, request=RequestFactory().get("/"), request_id="facts")
    panel = SignalTracerPanel(toolbar, None)
    panel.load_stats_from_store({"trace": trace.to_dict()})
    return panel.content


def told(row: Row) -> list[str]:
    return [f"{fact.label}: {fact.value} ({fact.where})" for fact in row.facts]


def test_a_dispatch_and_its_calls_say_what_is_known_of_them() -> None:
    error = Error("a.E", "no", (TracebackLine(PAY, "raise"),))
    dispatch = Dispatch(
        "shop.paid",
        "shop.Order",
        kwargs={"order": 7},
        sent_from=PAY,
        in_atomic=("default", "logs"),
        rolled_back=("logs",),
        receiver_calls=[
            ReceiverCall(
                "shop.index",
                Location("shop/receivers.py", 7, "index"),
                "once",
                outcome="raised",
                error=error,
                queries=[Query("SELECT 1", duration=0.25)],
                omitted_queries=2,
            )
        ],
        error=error,
    )
    sent, call = rows_of(traced(dispatch))

    assert told(sent) == [
        "Signal: shop.paid (nowhere)",
        "Sender: shop.Order (beside)",
        "Sent with: send() (nowhere)",
        "Sent from: shop/views.py:30 in pay (column)",
        "Inside atomic() on: default and logs (line)",
        "Rolled back on: logs (line)",
        "Exception: E: no (nowhere)",
        "Keyword arguments: order=7 (line)",
    ]
    assert told(call) == [
        "Receiver: shop.index (nowhere)",
        "Defined at: shop/receivers.py:7 (column)",
        "dispatch_uid: 'once' (line)",
        "Sender: shop.Order (nowhere)",
        "Exception: E: no (line)",
        "Queries: 3 queries 250 ms (column)",
        "Keyword arguments: order=7 (nowhere)",
    ]


@pytest.mark.parametrize(
    ("errands", "lines", "table"),
    [
        ([Errand("mail")], ["sent a mail"], [("Sent a mail", "1 time")]),
        ([Errand("mail")] * 3, ["sent a mail, 3 times"], [("Sent a mail", "3 times")]),
        (
            [Errand("mail"), Errand("mail", "shop.Receipt")],
            ["sent a mail", "sent a mail: shop.Receipt"],
            [("Sent a mail", "1 time"), ("Sent a mail", "shop.Receipt")],
        ),
        (
            [Errand("task", "shop.index")] * 2 + [Errand("network", "api.example")],
            ["queued a task: shop.index, 2 times", "called a server: api.example"],
            [("Queued a task", "shop.index, 2 times"), ("Called a server", "api.example")],
        ),
    ],
)
def test_what_a_receiver_started_is_told_in_a_line_and_in_a_table(
    errands: list[Errand], lines: list[str], table: list[tuple[str, str]]
) -> None:
    trace = traced(Dispatch("shop.paid", receiver_calls=[ReceiverCall("shop.a", errands=errands)]))
    labels = {label for label, _ in table}
    facts = [fact for fact in rows_of(trace)[1].facts if fact.label in labels]

    assert [str(fact) for fact in facts] == lines
    assert [(fact.label, str(fact.value)) for fact in facts] == table


def test_a_row_that_stands_for_several_has_the_numbers_of_all_and_the_values_of_the_first() -> None:
    bypasses = [Bypass("update", "shop.Order", rows, sent_from=PAY) for rows in (3, 4, None)]
    calls = [
        Dispatch("s", receiver_calls=[ReceiverCall("r", response=n, queries=[Query("q")] * n)])
        for n in (1, 2)
    ]
    _, call, bypass = rows_of(traced(*calls, bypasses=[replace_start(each) for each in bypasses]))

    assert "Rows: at least 7 rows (beside)" in told(bypass)
    assert "Queries: 3 queries 0 µs (column)" in told(call)
    assert [str(fact) for fact in call.facts if fact.label == "Response"] == [
        "the first returned 1"
    ]


def replace_start(bypass: Bypass) -> Bypass:
    bypass.started_at = 9.0
    return bypass


CACHE = Sentence(
    "%(gets)s, %(hits)s, %(time)s on %(alias)s",
    {
        "gets": Count(3, "%(number)s get", "%(number)s gets"),
        "hits": Count(1, "%(number)s hit", "%(number)s hits"),
        "time": Seconds(0.0004),
        "alias": "sessions",
    },
)


def test_a_new_fact_is_in_every_output_without_a_change_to_any(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = OfReceiverCall.facts

    def facts(
        self: OfReceiverCall, records: Sequence[ReceiverCall], dispatch: Dispatch | None
    ) -> Iterator[Fact]:
        yield from known(self, records, dispatch)
        yield Fact("Cache", CACHE)
        yield Fact("Waited for", "a lock", "waits for %(value)s", "beside")

    monkeypatch.setattr(OfReceiverCall, "facts", facts)
    trace = traced(Dispatch("shop.paid", receiver_calls=[ReceiverCall("shop.index")]))

    assert trace.outline().split("\n")[1] == "  shop.index  waits for a lock"
    console = drawn(trace).splitlines()
    assert console[4].startswith("  └─ shop.index  waits for a lock ")
    assert console[5].strip() == "cache 3 gets, 1 hit, 400 µs on sessions"
    html = panel_of(trace)
    assert "<small><bdi>waits for a lock</bdi></small>" in html
    assert "<strong>Cache</strong>" in html
    assert "<bdi>3 gets, 1 hit, 400 µs on sessions</bdi>" in html
    [arguments] = [
        event["args"]
        for event in to_perfetto(trace)["traceEvents"]
        if event["name"] == "shop.index"
    ]
    assert arguments["cache"] == "3 gets, 1 hit, 400 µs on sessions"
    assert arguments["waited_for"] == "a lock"


@pytest.mark.parametrize("reason", get_args(Reason))
def test_every_reason_why_a_receiver_was_not_called_is_a_mark_and_a_sentence(
    reason: Reason,
) -> None:
    miss = NearMiss("shop.log", reason, connected_to="shop.Base")
    about = ABOUT[NearMiss]
    [mark] = about.marks(miss, 0.01)

    assert mark in MARKS
    starts = {"not_run": "Not run: ", "refused": "Not run: ", "muted": "Muted: "}
    starts["connected_to_other"] = "Other sender: "
    start = starts.get(reason, "Near miss: ")
    assert str(about.sentence(miss)).startswith(start)
    assert ("shop.Base" in str(about.why(miss))) is (mark in ("NEAR MISS", "OTHER SENDER"))


def test_the_head_has_a_number_for_all_that_is_counted_and_left_out_nowhere() -> None:
    names = [field.name for field in fields(Counts)]
    shown = [tally.name for tally in tallies(dict.fromkeys(names, 1))]
    of_notices = ["omitted", "too_deep", "excluded", "faults"]

    assert sorted([*shown, *of_notices]) == sorted(names)
    assert [tally.name for tally in tallies({})] == ["dispatches", "receiver_calls"]


def test_every_record_that_has_a_row_says_what_it_is() -> None:
    call = ReceiverCall(
        "shop.index",
        bypasses=[Bypass("bulk_create", "shop.Line", skipped=[Skipped("post_save", "shop.log")])],
        on_commit=[OnCommit("shop.mail", outcome="discarded")],
    )
    trace = traced(
        Dispatch(
            "shop.paid",
            receiver_calls=[call],
            near_misses=[NearMiss("shop.late", "connected_to_child", connected_to="shop.Child")],
        ),
        Dispatch("plugins.hook", unwatched=["plugins.hooked"]),
    )

    assert trace.outline().split("\n") == [
        "shop.paid.send  sender=None",
        "  shop.index",
        "    shop.Line.bulk_create()  BYPASS",
        "      shop.log  SKIPPED",
        "    on_commit shop.mail  DISCARDED",
        "  shop.late  NEAR MISS connected to shop.Child, a child class of the sender",
        "plugins.hook.send  sender=None",
        "  plugins.hooked  NOT WATCHED",
    ]


def test_an_outline_is_the_same_however_long_things_took() -> None:
    quick = traced(Dispatch("shop.paid", receiver_calls=[ReceiverCall("shop.index")]))
    slow = traced(Dispatch("shop.paid", receiver_calls=[ReceiverCall("shop.index", own_time=9.0)]))

    assert [row.marks for row in rows_of(slow)] == [(), ("SLOW",)]
    assert slow.outline() == quick.outline()


def test_the_report_of_a_failed_test_has_counts_findings_and_what_is_missing() -> None:
    calls = [
        ReceiverCall(f"shop.r{number}", is_async=True, queries=[Query("UPDATE a", is_write=True)])
        for number in range(3)
    ]
    lost = ReceiverCall("shop.mail", outcome="swallowed", error=Error("a.E", "no"))
    trace = traced(
        Dispatch("shop.paid", method="send_robust", receiver_calls=[*calls, lost]),
        unheard=[Unheard("shop.closed", "None", 2)],
        other_queries=4,
        omitted=5,
    )

    assert text(trace, most_rows=3).split("\n") == [
        "test  0 µs",
        (
            "1 dispatch · 4 receiver calls · 7 queries · 1 swallowed · 2 unheard"
            " · 4 queries outside of receivers · 4 findings"
        ),
        "",
        "shop.paid.send_robust  sender=None  0 µs",
        "  shop.r0  0 µs  ASYNC",
        "      1 query 0 µs",
        "  shop.r1  0 µs  ASYNC",
        "      1 query 0 µs",
        "... and 2 more rows",
        "",
        "findings:",
        "  error swallowed-exception: shop.mail raised E: no, and send_robust() swallowed it.",
        (
            "    Handle in shop.mail what can fail at a line not recorded, and retry what must not "
            "be lost in a task (Celery, Django's tasks). Or let the sender look through what "
            "send_robust() returns."
        ),
        "3 findings for information",
        "",
        (
            "5 dispatches were sent and not kept, because the trace was full. To keep more, raise "
            'SIGNAL_TRACER["MAX_DISPATCHES"]; to keep fewer of no interest, name their signals in '
            'SIGNAL_TRACER["EXCLUDE_SIGNALS"].'
        ),
    ]


def test_where_nothing_was_sent_a_failed_test_has_no_report() -> None:
    assert is_empty(traced(other_queries=3))


LEFT_OUT = {
    "omitted": 2,
    "omitted_details": 3,
    "too_deep": 4,
    "excluded": 5,
    "faults": 6,
    "unwatched": [Unwatched("plugins.Hook", "send_chained", 7)],
}


def test_console_panel_and_report_say_the_same_of_what_was_left_out() -> None:
    trace = traced(
        connection_changes=[ConnectionChange("connect", "a", "b", called_from=PAY)], **LEFT_OUT
    )
    words = text(trace).split("\n")[-6:]

    assert [sentence.split(",")[0] for sentence in words] == [
        (
            "plugins.Hook.send_chained ran receivers 7 times. They are not in this trace: it is a "
            "method of the signal's own class"
        ),
        (
            '5 dispatches were left out by patterns in SIGNAL_TRACER["EXCLUDE_SIGNALS"]. Change '
            "them to see what they hide."
        ),
        "2 dispatches were sent and not kept",
        "3 more bypasses",
        "4 dispatches were sent and not kept",
        "The tracer itself failed 6 times",
    ]
    console = " ".join(drawn(trace).replace("!", "").split())
    html = panel_of(trace).replace("&quot;", '"').replace("&#x27;", "'")
    for sentence in words:
        assert sentence in console
        assert sentence in html
