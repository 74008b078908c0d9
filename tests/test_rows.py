"""The outline: which rows a trace has, what is folded, marked and counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from signal_tracer.records import (
    Bypass,
    CallbackOutcome,
    Contents,
    Dispatch,
    Error,
    HandledException,
    Location,
    NearMiss,
    OnCommit,
    Query,
    Reason,
    ReceiverCall,
    Skipped,
    Summary,
    TracebackLine,
    Unheard,
)
from signal_tracer.showing.facts import Counts, Kind, Record, Title, count
from signal_tracer.showing.rows import Row, rows_of
from signal_tracer.trace import Trace
from signal_tracer.wording import format_duration, short_path

FILE = Location("shop/orders.py", 7, "pay")


def traced(*dispatches: Dispatch, **contents: object) -> Trace:
    return Trace(
        "test",
        started_at=datetime(2025, 1, 1, tzinfo=UTC),
        contents=Contents(dispatches=list(dispatches), **contents),
    )


def roots(trace: Trace) -> list[Row]:
    """Those that are nested in no other."""
    return [row for row in rows_of(trace) if row.above is None]


def spelled(rows: list[Row]) -> list[str]:
    """Each row as one line: number, title, count if folded, marks."""
    lines = []
    for row in rows:
        times = f" x {row.count}" if row.count > 1 else ""
        lines.append("  " * row.depth + " ".join([f"{row.number} {row.title}{times}", *row.marks]))
    return lines


def save(pk: int = 1) -> Dispatch:
    """A dispatch with all that can set two apart, nested dispatches included."""
    return Dispatch(
        "django.db.models.signals.post_save",
        "shop.Order",
        kwargs={"instance": Summary(f"shop.Order(pk={pk})")},
        sent_from=FILE,
        started_at=float(pk),
        duration=0.25,
        receiver_calls=[
            ReceiverCall(
                "shop.receivers.index",
                FILE,
                "index",
                started_at=pk + 0.125,
                duration=0.125,
                own_time=0.0078125,
                response=pk,
                dispatches=[
                    Dispatch(
                        "shop.signals.indexed",
                        started_at=pk + 0.1875,
                        duration=0.0625,
                        receiver_calls=[ReceiverCall("shop.receivers.log")],
                    )
                ],
            )
        ],
        near_misses=[NearMiss("shop.receivers.mail", "not_run", FILE)],
    )


def test_rows_follow_the_nesting_and_their_numbers_say_where_they_are() -> None:
    paid = Dispatch(
        "shop.signals.paid",
        "shop.Order",
        "send_robust",
        receiver_calls=[
            ReceiverCall(
                "shop.receivers.relay",
                dispatches=[
                    Dispatch(
                        "shop.signals.shipped",
                        method="asend",
                        receiver_calls=[ReceiverCall("shop.receivers.notify", is_async=True)],
                    ),
                    Dispatch("shop.signals.closed"),
                ],
            ),
            ReceiverCall("shop.receivers.send_receipt", outcome="swallowed"),
        ],
    )
    failed = Dispatch(
        "shop.signals.failed",
        receiver_calls=[ReceiverCall("shop.receivers.stop", outcome="raised")],
        near_misses=[NearMiss("shop.receivers.after", "not_run", is_async=True)],
        error=Error("builtins.ValueError", "no"),
    )
    own_loop = Dispatch("shop.signals.own_loop", unwatched=["shop.receivers.a"])

    assert spelled(rows_of(traced(paid, failed, own_loop))) == [
        "0 shop.signals.paid.send_robust",
        "  1 shop.receivers.relay",
        "    2 shop.signals.shipped.asend",
        "      3 shop.receivers.notify ASYNC",
        "    4 shop.signals.closed.send",
        "  5 shop.receivers.send_receipt SWALLOWED",
        "6 shop.signals.failed.send RAISED",
        "  7 shop.receivers.stop RAISED",
        "  8 shop.receivers.after NOT RUN ASYNC",
        "9 shop.signals.own_loop.send",
        "  10 shop.receivers.a NOT WATCHED",
    ]


def test_a_row_holds_its_record_its_kind_and_its_times() -> None:
    miss = NearMiss("shop.receivers.mail", "not_run")
    call = ReceiverCall("shop.receivers.log", started_at=2.5, duration=0.5, own_time=0.25)
    dispatch = Dispatch(
        "shop.signals.paid",
        started_at=2.0,
        duration=1.0,
        receiver_calls=[call],
        near_misses=[miss],
        unwatched=["shop.receivers.a"],
    )

    (row,) = roots(traced(dispatch))

    def nested(number: int, kind: Kind, name: str, record: Record, **rest: object) -> Row:
        made = Row(kind, number, 1, Title(name), (), 2.0, 0.0, (record,))
        return replace(made, **rest)

    assert row == Row(
        kind="dispatch",
        number=0,
        depth=0,
        title=Title("shop.signals.paid", after=".send"),
        marks=(),
        started_at=2.0,
        duration=1.0,
        records=(dispatch,),
        rows=[
            nested(
                *(1, "call", "shop.receivers.log", call),
                marks=("SLOW",),
                started_at=2.5,
                duration=0.5,
                own_time=0.25,
            ),
            nested(2, "near_miss", "shop.receivers.mail", miss, marks=("NOT RUN",)),
            nested(3, "unwatched", "shop.receivers.a", "shop.receivers.a", marks=("NOT WATCHED",)),
        ],
    )
    assert [each.above for each in row.rows] == [row, row, row]
    assert [each.kinds for each in row.rows] == [
        ("call", "slow"),
        ("near_miss", "not_run"),
        ("unwatched", "not_watched"),
    ]


def test_equal_dispatches_in_a_row_are_folded_with_all_that_they_nest() -> None:
    rows = rows_of(traced(save(1), save(2), save(3)))

    assert spelled(rows) == [
        "0 django.db.models.signals.post_save.send x 3",
        "  1 shop.receivers.index x 3",
        "    2 shop.signals.indexed.send x 3",
        "      3 shop.receivers.log x 3",
        "  4 shop.receivers.mail x 3 NOT RUN",
    ]


def test_a_folded_row_starts_with_the_first_and_takes_as_long_as_all() -> None:
    first = save(1)
    folded, call, nested, *_ = rows_of(traced(first, save(2), save(3)))

    assert (folded.started_at, folded.duration, folded.own_time) == (1.0, 0.75, 0.0)
    assert (call.started_at, call.duration, call.own_time) == (1.125, 0.375, 0.0234375)
    assert (nested.started_at, nested.duration) == (1.1875, 0.1875)
    assert folded.record is first
    assert call.record is first.receiver_calls[0]


def test_a_run_inside_each_dispatch_of_a_run_is_one_row_that_counts_them_all() -> None:
    def batch() -> Dispatch:
        call = ReceiverCall(
            "shop.receivers.save_lines", dispatches=[save(1), save(2), Dispatch("shop.done")]
        )
        return Dispatch("shop.signals.batch", receiver_calls=[call])

    assert spelled(rows_of(traced(batch(), batch(), batch()))) == [
        "0 shop.signals.batch.send x 3",
        "  1 shop.receivers.save_lines x 3",
        "    2 django.db.models.signals.post_save.send x 6",
        "      3 shop.receivers.index x 6",
        "        4 shop.signals.indexed.send x 6",
        "          5 shop.receivers.log x 6",
        "      6 shop.receivers.mail x 6 NOT RUN",
        "    7 shop.done.send x 3",
    ]


def test_equal_dispatches_with_another_between_them_keep_their_places() -> None:
    other = Dispatch("shop.signals.paid")

    assert [
        (str(row.title), row.count) for row in roots(traced(save(), other, save(), save()))
    ] == [
        ("django.db.models.signals.post_save.send", 1),
        ("shop.signals.paid.send", 1),
        ("django.db.models.signals.post_save.send", 2),
    ]


def _change_call(**changes: object) -> Callable[[Dispatch], Dispatch]:
    return lambda dispatch: replace(
        dispatch, receiver_calls=[replace(dispatch.receiver_calls[0], **changes)]
    )


ERROR = Error("builtins.ValueError", "no address", (TracebackLine(FILE, "raise"),))


@pytest.mark.parametrize(
    "change",
    [
        lambda dispatch: replace(dispatch, signal="django.db.models.signals.pre_save"),
        lambda dispatch: replace(dispatch, sender="shop.Basket"),
        lambda dispatch: replace(dispatch, method="asend"),
        lambda dispatch: replace(dispatch, sent_from=replace(FILE, line=8)),
        lambda dispatch: replace(dispatch, error=ERROR),
        lambda dispatch: replace(dispatch, near_misses=[]),
        lambda dispatch: replace(dispatch, unwatched=[]),
        lambda dispatch: replace(dispatch, receiver_calls=dispatch.receiver_calls * 2),
        _change_call(receiver="shop.receivers.reindex"),
        _change_call(defined_at=None),
        _change_call(dispatch_uid=None),
        _change_call(is_async=True),
        _change_call(outcome="cancelled"),
        _change_call(own_time=0.01),
        _change_call(dispatches=[]),
        _change_call(dispatches=[save(), save()]),
        lambda dispatch: replace(dispatch, in_atomic=("default",)),
        lambda dispatch: replace(dispatch, rolled_back=("default",)),
        lambda dispatch: replace(dispatch, on_commit="shop.receivers.later"),
        _change_call(handled=[HandledException("builtins.KeyError", "'a'", FILE, FILE)]),
        _change_call(bypasses=[Bypass("update", "shop.Order")]),
        _change_call(on_commit=[OnCommit("shop.receivers.later")]),
    ],
    ids=[
        "signal",
        "sender",
        "method",
        "place it was sent from",
        "error",
        "near misses",
        "unwatched",
        "number of calls",
        "receiver",
        "place the receiver is defined",
        "dispatch_uid",
        "async",
        "outcome",
        "slow",
        "nothing nested",
        "other nesting",
        "inside atomic()",
        "rolled back",
        "sent by a callback",
        "handled exception",
        "bypass",
        "callback",
    ],
)
def test_dispatches_that_differ_are_not_folded(change: Callable[[Dispatch], Dispatch]) -> None:
    assert [row.count for row in roots(traced(save(), change(save())))] == [1, 1]


def test_errors_with_other_messages_are_not_folded() -> None:
    def failing(message: str) -> Dispatch:
        return _change_call(outcome="swallowed", error=replace(ERROR, message=message))(save())

    rows = roots(traced(failing("no address"), failing("no address"), failing("no name")))

    assert [row.count for row in rows] == [2, 1]


def test_a_difference_far_below_keeps_dispatches_apart() -> None:
    other = save()
    other.receiver_calls[0].dispatches[0].receiver_calls[0].receiver = "shop.receivers.audit"

    assert [row.count for row in roots(traced(save(), other))] == [1, 1]


@pytest.mark.parametrize(
    ("record", "marks"),
    [
        (ReceiverCall("r"), ()),
        (ReceiverCall("r", outcome="raised"), ("RAISED",)),
        (ReceiverCall("r", outcome="cancelled", is_async=True), ("CANCELLED", "ASYNC")),
        (ReceiverCall("r", outcome="running"), ("RUNNING",)),
        (ReceiverCall("r", duration=1.0, own_time=0.0099), ()),
        (
            ReceiverCall(
                "r",
                own_time=0.01,
                outcome="swallowed",
                is_async=True,
                handled=[HandledException("builtins.KeyError", "'a'", FILE, FILE)],
            ),
            ("SWALLOWED", "HANDLED", "SLOW", "ASYNC"),
        ),
    ],
)
def test_marks_come_worst_first(record: ReceiverCall, marks: tuple[str, ...]) -> None:
    (row,) = roots(traced(Dispatch("s", receiver_calls=[record])))

    assert row.rows[0].marks == marks


@pytest.mark.parametrize(
    ("reason", "mark"),
    [
        ("not_run", "NOT RUN"),
        ("muted", "MUTED"),
        ("connected_to_parent", "NEAR MISS"),
        ("connected_to_model", "NEAR MISS"),
    ],
)
def test_a_receiver_that_was_not_called_is_marked_with_what_became_of_it(
    reason: Reason, mark: str
) -> None:
    (row,) = roots(traced(Dispatch("s", near_misses=[NearMiss("r", reason)])))

    assert row.rows[0].marks == (mark,)


@pytest.mark.parametrize("outcome", ["ran", "waiting", "raised", "discarded"])
def test_a_callback_is_marked_unless_it_just_ran(outcome: CallbackOutcome) -> None:
    call = ReceiverCall("r", on_commit=[OnCommit("later", outcome=outcome)])
    (row,) = roots(traced(Dispatch("s", receiver_calls=[call])))

    assert row.rows[0].rows[0].marks == (() if outcome == "ran" else (outcome.upper(),))


@pytest.mark.parametrize(
    ("dispatch", "marks"),
    [
        (Dispatch("s", error=Error("builtins.ValueError", "")), ("RAISED",)),
        (Dispatch("s", error=Error("asyncio.exceptions.CancelledError", "")), ("CANCELLED",)),
        (
            Dispatch("s", error=Error("a.E", ""), in_atomic=("a", "b"), rolled_back=("b",)),
            ("RAISED", "ROLLED BACK"),
        ),
        (Dispatch("s", in_atomic=("default",), on_commit="shop.later"), ()),
        (Dispatch("s", unwatched=[]), ("NOT WATCHED",)),
        (Dispatch("s", duration=9.0), ()),
    ],
)
def test_a_dispatch_is_marked_for_its_own_fate_only(
    dispatch: Dispatch, marks: tuple[str, ...]
) -> None:
    assert roots(traced(dispatch))[0].marks == marks


def bulk_create(started_at: float, **changes: object) -> Bypass:
    skipped = [Skipped("post_save", "search.receivers.index"), Skipped("post_save", "shop.b")]
    made = Bypass("bulk_create", "shop.Order", 50, (), FILE, started_at, 0.5, skipped)
    return replace(made, **changes)


def test_bypasses_and_callbacks_stand_among_the_dispatches_in_the_order_of_their_starts() -> None:
    call = ReceiverCall(
        "shop.receivers.relay",
        dispatches=[Dispatch("shop.first", started_at=2.0), Dispatch("shop.last", started_at=5.0)],
        bypasses=[bulk_create(3.0)],
        on_commit=[OnCommit("shop.receivers.mail", registered_at=4.0, outcome="discarded")],
    )
    paid = Dispatch("shop.signals.paid", started_at=1.0, receiver_calls=[call])

    assert spelled(rows_of(traced(paid, bypasses=[bulk_create(0.5), bulk_create(9.0)]))) == [
        "0 shop.Order.bulk_create() BYPASS",
        "  1 search.receivers.index SKIPPED",
        "  2 shop.b SKIPPED",
        "3 shop.signals.paid.send",
        "  4 shop.receivers.relay",
        "    5 shop.first.send",
        "    6 shop.Order.bulk_create() BYPASS",
        "      7 search.receivers.index SKIPPED",
        "      8 shop.b SKIPPED",
        "    9 on_commit shop.receivers.mail DISCARDED",
        "    10 shop.last.send",
        "11 shop.Order.bulk_create() BYPASS",
        "  12 search.receivers.index SKIPPED",
        "  13 shop.b SKIPPED",
    ]


def test_equal_bypasses_in_a_row_are_folded_and_others_are_not() -> None:
    rows = roots(
        traced(
            bypasses=[
                bulk_create(1.0),
                bulk_create(2.0, rows=7),
                bulk_create(3.0, options=("ignore_conflicts",)),
                bulk_create(4.0, model="shop.Product"),
                bulk_create(5.0, model="shop.Product", method="update"),
                bulk_create(6.0, model="shop.Product", method="update", sent_from=None),
                bulk_create(7.0, model="shop.Product", method="update", skipped=[]),
            ]
        )
    )

    assert [(str(row.title), row.count, row.duration, len(row.rows)) for row in rows] == [
        ("shop.Order.bulk_create()", 2, 1.0, 2),
        ("shop.Order.bulk_create(ignore_conflicts=True)", 1, 0.5, 2),
        ("shop.Product.bulk_create()", 1, 0.5, 2),
        ("shop.Product.update()", 1, 0.5, 2),
        ("shop.Product.update()", 1, 0.5, 2),
        ("shop.Product.update()", 1, 0.5, 0),
    ]


def test_dispatches_that_did_the_same_in_another_order_are_not_folded() -> None:
    def relay(bypassed_at: float) -> Dispatch:
        nested = Dispatch("shop.signals.inner", started_at=2.0)
        call = ReceiverCall("r", dispatches=[nested], bypasses=[bulk_create(bypassed_at)])
        return Dispatch("shop.signals.paid", receiver_calls=[call])

    assert [row.count for row in roots(traced(relay(1.0), relay(1.5), relay(3.0)))] == [2, 1]


def test_a_row_has_the_queries_of_all_its_records_with_and_without_what_they_nest() -> None:
    def saved(own: int, nested: int) -> Dispatch:
        inner = ReceiverCall("b", queries=[Query("SELECT 1", duration=0.25)] * nested)
        outer = ReceiverCall(
            "a",
            queries=[Query("SELECT 2", duration=0.5)] * own,
            omitted_queries=1,
            dispatches=[Dispatch("shop.indexed", receiver_calls=[inner])],
        )
        return Dispatch("shop.saved", receiver_calls=[outer])

    # Another number of queries does not keep two apart: a cache may have been warm.
    rows = rows_of(traced(saved(1, 2), saved(3, 2)))

    assert [
        (
            str(row.title),
            row.count,
            row.query_count,
            row.query_count_with_nested,
            row.query_time,
            row.query_time_with_nested,
        )
        for row in rows
    ] == [
        ("shop.saved.send", 2, 0, 10, 0.0, 3.0),
        ("a", 2, 6, 10, 2.0, 3.0),
        ("shop.indexed.send", 2, 0, 4, 0.0, 1.0),
        ("b", 2, 4, 4, 1.0, 1.0),
    ]


def test_every_record_leads_to_the_row_that_stands_for_it() -> None:
    dispatches = [save(1), save(2)]
    bypass = bulk_create(0.5)
    rows = rows_of(traced(*dispatches, bypasses=[bypass]))
    numbers = {id(record): row.number for row in rows for record in row.records}

    assert [numbers[id(bypass)], numbers[id(bypass.skipped[1])]] == [0, 2]
    for dispatch in dispatches:
        [call], [miss] = dispatch.receiver_calls, dispatch.near_misses
        [nested] = call.dispatches
        found = [numbers[id(record)] for record in (dispatch, call, nested, miss)]
        assert found == [3, 4, 5, 7]


def test_nesting_deeper_than_python_can_recurse_is_shown_whole() -> None:
    dispatch = Dispatch("shop.signals.again")
    for number in range(3000):  # each another, or they would be rounds of one recursion
        dispatch = Dispatch(
            f"shop.signals.again_{number}",
            receiver_calls=[ReceiverCall("r", dispatches=[dispatch])],
        )
    trace = traced(dispatch)

    assert max(row.depth for row in rows_of(trace)) == 6000
    assert count(trace).dispatches == 3001


def test_a_running_trace_is_read_once() -> None:
    # Each reading makes new records: identities from one say nothing about another.
    readings: list[Contents] = []

    def read() -> tuple[Contents, bool]:
        readings.append(Contents(dispatches=[save(1), save(2)]))
        return readings[-1], False

    trace = Trace("running", started_at=datetime(2025, 1, 1, tzinfo=UTC), read=read)

    assert [row.count for row in roots(trace)] == [2]
    assert len(readings) == 1
    assert count(trace).dispatches == 4
    assert len(readings) == 2


def test_an_empty_trace_has_no_rows() -> None:
    assert rows_of(traced()) == []


def test_counts_tell_every_record_once() -> None:
    dispatch = save()
    dispatch.receiver_calls += [
        ReceiverCall("a", outcome="swallowed", own_time=0.01),
        ReceiverCall("b", outcome="swallowed"),
        ReceiverCall("c", outcome="cancelled"),
        ReceiverCall("d", outcome="running"),
        ReceiverCall(
            "e",
            outcome="raised",
            queries=[Query("SELECT 1")],
            omitted_queries=2,
            bypasses=[Bypass("update", "shop.Order")],
            handled=[HandledException("builtins.KeyError", "'a'", FILE, FILE)] * 2,
            omitted_handled=5,
            on_commit=[OnCommit("later", outcome="discarded"), OnCommit("later", outcome="ran")],
        ),
    ]
    dispatch.rolled_back = ("default",)
    dispatch.near_misses += [
        NearMiss("m", "muted"),
        NearMiss("n", "connected_to_parent"),
        NearMiss("o", "connected_to_model"),
    ]
    trace = traced(
        dispatch,
        save(),
        bypasses=[Bypass("update", "shop.Order")],
        other_queries=4,
        unheard=[
            Unheard("a", "b", 40),
            Unheard("c", "d", 2, (NearMiss("m", "muted"), NearMiss("n", "connected_to_parent"))),
        ],
        omitted=5,
        too_deep=8,
        excluded=6,
        faults=7,
    )

    assert count(trace) == Counts(
        dispatches=4,
        receiver_calls=9,
        swallowed=2,
        raised=1,
        cancelled=1,
        running=1,
        slow=1,
        not_run=2,
        unheard=42,
        omitted=5,
        too_deep=8,
        excluded=6,
        faults=7,
        muted=3,
        near_misses=4,
        queries=7,
        bypasses=2,
        rolled_back=1,
        handled=7,
        discarded=1,
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 µs"),
        (0.0000004, "0 µs"),
        (0.000085, "85 µs"),
        (0.0009994, "999 µs"),
        (0.0009996, "1.00 ms"),
        (0.00124, "1.24 ms"),
        (0.009996, "10.0 ms"),
        (0.0123, "12.3 ms"),
        (0.1236, "124 ms"),
        (0.9996, "1.00 s"),
        (1.24, "1.24 s"),
        (12.34, "12.3 s"),
        (4321.0, "4320 s"),
    ],
)
def test_durations_have_three_digits_and_a_unit(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


def test_paths_are_short_where_the_reader_knows_the_rest(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)

    assert short_path(f"{tmp_path}/shop/views.py") == "shop/views.py"
    assert (
        short_path(f"{tmp_path}/.venv/lib/python3.13/site-packages/django/db/models/base.py")
        == "django/db/models/base.py"
    )
    assert short_path("/usr/lib/python3/dist-packages/django/apps.py") == "django/apps.py"
    assert short_path(r"C:\venv\Lib\site-packages\django\apps.py") == r"django\apps.py"
    assert short_path(f"{tmp_path}-other/shop/views.py") == f"{tmp_path}-other/shop/views.py"
    assert short_path("/usr/lib/python3.13/asyncio/events.py") == (
        "/usr/lib/python3.13/asyncio/events.py"
    )
    assert short_path("<string>") == "<string>"


def test_a_path_stays_as_it_is_when_the_current_directory_is_gone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    assert short_path("/srv/shop/views.py") == "/srv/shop/views.py"
