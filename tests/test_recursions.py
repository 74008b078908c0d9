"""Recursions: equal rounds are one row, and what differs in any of them stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from signal_tracer.records import Contents, Dispatch, Error, Location, Query, ReceiverCall
from signal_tracer.records import TracebackLine as Traceback
from signal_tracer.showing.rows import Row, rows_of
from signal_tracer.trace import Trace

LINE = Location("shop/receivers.py", 7, "again")


def rounds(number: int, *innermost: Dispatch, **of_each_call: object) -> Dispatch:
    """So many dispatches within each other, the outermost 0.25 s longer than the next, and so on.

    ``innermost``: what the receiver sent in the last of them.
    """
    nested = list(innermost)
    for level in range(number, 0, -1):
        call = ReceiverCall(
            "shop.again",
            LINE,
            started_at=float(level),
            duration=0.25 * (number - level + 1),
            own_time=0.25,
            queries=[Query("SELECT 1", duration=0.125)],
            dispatches=nested,
        )
        for name, value in of_each_call.items():
            setattr(call, name, value)
        nested = [
            Dispatch(
                "post_save",
                "shop.Order",
                sent_from=LINE,
                started_at=float(level),
                duration=0.25 * (number - level + 1),
                receiver_calls=[call],
            )
        ]
    return nested[0]


def rows(*dispatches: Dispatch, slow_after: float = 1.0) -> list[Row]:
    return rows_of(
        Trace(
            "test",
            started_at=datetime(2026, 1, 1, tzinfo=UTC),
            slow_after=slow_after,
            contents=Contents(dispatches=list(dispatches)),
        )
    )


def shown(*dispatches: Dispatch, slow_after: float = 1.0) -> list[str]:
    return [_line(row) for row in rows(*dispatches, slow_after=slow_after)]


def _line(row: Row) -> str:
    times = f" x {row.count}" if row.count > 1 else ""
    recursion = [str(fact) for fact in row.facts if fact.label == "Recursion"]
    return "  ".join([f"{'  ' * row.depth}{row.title}{times}", *recursion, *row.marks])


def test_equal_rounds_of_a_recursion_are_one_row_that_says_how_many() -> None:
    assert shown(rounds(76)) == [
        "post_save.send x 76  each within the one before",
        "  shop.again x 76",
    ]


def test_the_row_takes_as_long_as_the_outermost_and_its_own_time_and_queries_are_of_all() -> None:
    dispatch, call = rows(rounds(4))

    assert (dispatch.duration, dispatch.started_at, dispatch.rounds) == (1.0, 1.0, 4)
    assert (call.duration, call.own_time, call.query_count, call.query_time) == (1.0, 1.0, 4, 0.5)
    assert (dispatch.query_count_with_nested, dispatch.query_time_with_nested) == (4, 0.5)


def test_equal_recursions_one_after_the_other_are_one_row_as_long_as_all_of_them() -> None:
    folded = rows(rounds(4), rounds(4))

    assert [_line(row) for row in folded] == [
        "post_save.send x 8  4 rounds, each within the one before",
        "  shop.again x 8",
    ]
    assert [row.duration for row in folded] == [2.0, 2.0]


def test_what_only_the_innermost_did_stands_below() -> None:
    other = Dispatch("shop.done", receiver_calls=[ReceiverCall("shop.log")])

    assert shown(rounds(5, other)) == [
        "post_save.send x 4  each within the one before",
        "  shop.again x 4",
        "    post_save.send",
        "      shop.again",
        "        shop.done.send",
        "          shop.log",
    ]


def test_what_each_of_them_did_besides_is_folded_with_them() -> None:
    def log() -> Dispatch:
        return Dispatch("shop.log", receiver_calls=[ReceiverCall("shop.write")])

    inner = rounds(1, log())
    middle = rounds(1, log(), inner)
    outer = rounds(1, log(), middle)

    assert shown(outer) == [
        "post_save.send x 3  each within the one before",
        "  shop.again x 3",
        "    shop.log.send x 3",
        "      shop.write x 3",
    ]


def test_a_dispatch_sent_from_another_line_is_no_round_of_what_it_began() -> None:
    outermost = rounds(4)
    outermost.sent_from = Location("shop/views.py", 3, "pay")

    assert shown(outermost) == [
        "post_save.send",
        "  shop.again",
        "    post_save.send x 3  each within the one before",
        "      shop.again x 3",
    ]


def test_a_round_that_failed_where_the_outer_ones_did_not_stays_visible() -> None:
    failed = rounds(1, error=Error("builtins.ValueError", "no"), outcome="swallowed")

    assert shown(rounds(3, failed)) == [
        "post_save.send x 2  each within the one before",
        "  shop.again x 2",
        "    post_save.send",
        "      shop.again",
        "        post_save.send",
        "          shop.again  SWALLOWED",
    ]


def test_rounds_that_one_exception_ended_are_one_row_whatever_tracebacks_they_have() -> None:
    outermost = rounds(3, outcome="raised")
    dispatch, depth = outermost, 3
    while True:
        lines = tuple(Traceback(replace(LINE, line=each), "") for each in range(depth))
        dispatch.error = Error("builtins.RecursionError", "too deep", lines)
        [call] = dispatch.receiver_calls
        call.error = dispatch.error
        if not call.dispatches:
            break
        [dispatch], depth = call.dispatches, depth - 1

    assert shown(outermost) == [
        "post_save.send x 3  each within the one before  RAISED",
        "  shop.again x 3  RAISED",
    ]


def test_a_slow_round_is_not_folded_into_quick_ones() -> None:
    outermost = rounds(4)
    [[second]] = [call.dispatches for call in outermost.receiver_calls]
    second.receiver_calls[0].own_time = 2.0

    assert shown(outermost) == [
        "post_save.send",
        "  shop.again",
        "    post_save.send",
        "      shop.again  SLOW",
        "        post_save.send x 2  each within the one before",
        "          shop.again x 2",
    ]


def test_where_each_round_sends_two_of_its_kind_nothing_is_folded_into_one_line() -> None:
    tree = rounds(1, rounds(1), rounds(1))

    assert shown(tree) == [
        "post_save.send",
        "  shop.again",
        "    post_save.send x 2",
        "      shop.again x 2",
    ]


def test_two_that_send_each_other_are_no_rounds_of_one() -> None:
    pong = Dispatch("pong", receiver_calls=[ReceiverCall("shop.pong")])
    ping = Dispatch("ping", receiver_calls=[ReceiverCall("shop.ping", dispatches=[pong])])

    assert shown(ping) == ["ping.send", "  shop.ping", "    pong.send", "      shop.pong"]
