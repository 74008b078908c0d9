"""compare(): what is told of two traces, what is not, and that it is the same from either side."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest
from django.dispatch import Signal
from hypothesis import given, settings
from hypothesis import strategies as st

from signal_tracer import Trace, compare, trace_signals
from signal_tracer.comparing import Changed
from signal_tracer.difference import Difference, Kind
from signal_tracer.plain import read
from signal_tracer.records import (
    Bypass,
    Contents,
    Dispatch,
    Errand,
    Error,
    Location,
    OnCommit,
    Owner,
    Query,
    ReceiverCall,
    Unheard,
)

POST_SAVE = "django.db.models.signals.post_save"


def traced(*dispatches: Dispatch, **contents: Any) -> Trace:
    return Trace(
        "test",
        started_at=datetime(2026, 1, 2, tzinfo=UTC),
        contents=Contents(dispatches=list(dispatches), **contents),
    )


def at(line: int, file: str = "shop/receivers.py") -> Location:
    return Location(file, line, "index")


def call(receiver: str, defined_at: Location | None = None, **changes: Any) -> ReceiverCall:
    return ReceiverCall(receiver, defined_at or at(7), **changes)


def sent(*calls: ReceiverCall, signal: str = "shop.signals.paid", **changes: Any) -> Dispatch:
    defaults = {"sender": "shop.Order", "sent_from": at(30, "shop/views.py")}
    return Dispatch(signal, receiver_calls=list(calls), **{**defaults, **changes})


def queries(sql: str, times: int) -> list[Query]:
    return [Query(sql)] * times


def told(before: Trace, after: Trace) -> list[str]:
    return str(compare(before, after)).splitlines()


def saved(*calls: ReceiverCall, sender: str = "shop.Order", **changes: Any) -> Dispatch:
    return sent(*calls, signal=POST_SAVE, sender=sender, **changes)


def failing(outcome: str, error: str = "builtins.ValueError") -> ReceiverCall:
    return call("shop.receivers.mail", outcome=outcome, error=Error(error, "no"))


INDEX, MAIL = call("shop.receivers.index"), call("shop.receivers.mail")


# What is told


def test_an_added_receiver_is_told_with_its_queries_and_a_lost_one() -> None:
    text = call("shop.receivers.text_customer", queries=queries("INSERT INTO sms", 3))
    without, within = traced(saved(INDEX)), traced(saved(INDEX, text))

    assert told(without, within)[:2] == [
        "+1 receiver call, +3 queries",
        "+ shop.receivers.text_customer on post_save of shop.Order (3 queries)",
    ]
    assert told(within, without)[:2] == [
        "-1 receiver call, -3 queries",
        "- shop.receivers.text_customer on post_save of shop.Order (3 queries)",
    ]


def test_what_stands_below_something_added_stands_below_its_line() -> None:
    tree = call("a.charge", dispatches=[sent(call("a.log"), signal="a.paid", sender="None")])

    assert told(traced(saved()), traced(saved(tree))) == [
        "+1 dispatch, +2 receiver calls",
        "+ a.charge on post_save of shop.Order",
        "  + a.paid",
        "    + a.log",
    ]


def test_what_a_receiver_sends_is_told_with_that_receiver() -> None:
    paid = sent(signal="a.paid", sender="shop.Order")

    assert told(traced(saved(call("a.r"))), traced(saved(call("a.r", dispatches=[paid]))))[1:] == [
        "+ a.paid of shop.Order, in a.r"
    ]


def test_of_a_signal_that_was_sent_unheard_only_who_hears_it_is_told() -> None:
    unheard = traced(unheard=[Unheard(POST_SAVE, "shop.Order", 1)])
    heard = traced(saved(INDEX))

    assert told(unheard, heard) == [
        "+1 dispatch, +1 receiver call",
        "+ shop.receivers.index on post_save of shop.Order",
    ]
    assert told(heard, unheard)[1:] == ["- shop.receivers.index on post_save of shop.Order"]
    sent_more = traced(saved(INDEX), unheard=[Unheard(POST_SAVE, "shop.Order", 1)])
    assert told(unheard, sent_more)[1:] == [
        "+ post_save of shop.Order",
        "  + shop.receivers.index",
    ]


def test_the_same_receiver_of_another_signal_is_moved() -> None:
    before = traced(saved(INDEX, MAIL), sent(call("a.b")))
    after = traced(saved(INDEX), sent(call("a.b"), MAIL))

    assert told(before, after)[:1] == [
        (
            "~ shop.receivers.mail on shop.signals.paid of shop.Order: moved from post_save of "
            "shop.Order"
        )
    ]
    assert compare(before, after).of_kind("moved")[0].before.signal == POST_SAVE  # type: ignore[union-attr]


def test_a_dispatch_in_another_receiver_is_moved_with_all_that_it_calls() -> None:
    paid = sent(INDEX, MAIL)

    before = traced(saved(call("a.first", dispatches=[paid]), call("a.second")))
    after = traced(saved(call("a.first"), call("a.second", dispatches=[deepcopy(paid)])))
    assert told(before, after) == [
        "~ shop.signals.paid of shop.Order, in a.second: moved from a.first"
    ]


def test_a_dispatch_by_another_method_is_the_same_one() -> None:
    assert told(traced(sent(INDEX)), traced(sent(INDEX, method="send_robust"))) == [
        "~ shop.signals.paid of shop.Order: send_robust instead of send"
    ]


def test_another_order_tells_the_fewest_that_moved() -> None:
    first, *rest = (call(f"a.r{number}") for number in range(5))

    assert told(traced(saved(first, *rest)), traced(saved(*rest, first))) == [
        "~ a.r0 on post_save of shop.Order: after a.r4 instead of first"
    ]


def test_receivers_that_moved_together_are_told_once() -> None:
    a, b, c, d, e = (call(f"a.{name}") for name in "abcde")

    assert told(traced(saved(a, b, c, d, e)), traced(saved(c, d, e, a, b))) == [
        "~ a.a on post_save of shop.Order: after a.e instead of first"
    ]


def test_a_loop_is_told_as_a_number_and_what_it_calls_is_not() -> None:
    ten, eleven = (
        traced(*(saved(call("a.r", queries=queries("SELECT 1", 2))) for _ in range(number)))
        for number in (10, 11)
    )

    assert told(ten, eleven) == [
        "+1 dispatch, +1 receiver call, +2 queries",
        "~ post_save of shop.Order: 11 times instead of 10",
    ]


def test_more_queries_of_each_call_are_told() -> None:
    one, two = (
        traced(*(saved(call("a.r", omitted_queries=number)) for _ in range(3))) for number in (1, 2)
    )

    assert told(one, two) == [
        "+3 queries",
        "~ a.r on post_save of shop.Order: 6 queries instead of 3",
    ]


def test_queries_outside_of_receivers_are_told_as_such() -> None:
    assert told(traced(other_queries=2), traced(other_queries=3)) == [
        "+1 query",
        "~ Outside of any receiver call: 3 queries instead of 2",
    ]


def test_another_outcome_is_told() -> None:
    before, after = traced(sent(failing("returned"))), traced(sent(failing("swallowed")))

    first, finding = told(before, after)
    assert first == (
        "~ shop.receivers.mail on shop.signals.paid of shop.Order: swallowed ValueError instead "
        "of ending well"
    )
    assert finding == (
        "+ error swallowed-exception: shop.receivers.mail raised ValueError: no, and send() "
        "swallowed it."
    )
    assert [each.slug for each in compare(after, before).gone] == ["swallowed-exception"]


def test_a_call_that_raised_ends_its_dispatch_once() -> None:
    broken = sent(failing("raised"), error=Error("builtins.ValueError", "no"))

    assert told(traced(sent(failing("returned"))), traced(broken))[0] == (
        "~ shop.receivers.mail on shop.signals.paid of shop.Order: raised ValueError instead of "
        "ending well"
    )
    assert len(compare(traced(sent(failing("returned"))), traced(broken)).changes) == 1


def test_a_rollback_is_told_of_the_outermost_dispatch_only() -> None:
    def order(*aliases: str) -> Trace:
        inner = sent(call("a.inner"), in_atomic=("default",), rolled_back=aliases)
        return traced(
            saved(call("a.r", dispatches=[inner]), in_atomic=("default",), rolled_back=aliases)
        )

    changes = compare(order(), order("default")).changes
    assert [str(each) for each in changes] == [
        "~ post_save of shop.Order: rolled back instead of ending well"
    ]


def test_bypasses_callbacks_and_errands_are_told() -> None:
    busy = call(
        "a.r",
        bypasses=[Bypass("bulk_create", "shop.Line", 5)],
        on_commit=[OnCommit("a.send_mail", outcome="discarded")],
        errands=[Errand("task", "shop.tasks.ship")],
    )

    assert told(traced(saved(call("a.r"))), traced(saved(busy)))[:3] == [
        "+ shop.Line.bulk_create(), in a.r",
        "+ on_commit(a.send_mail), in a.r (thrown away by a rollback)",
        "+ shop.tasks.ship, in a.r",
    ]


def test_a_callback_that_no_longer_runs_in_the_trace_is_told() -> None:
    def with_callback(outcome: Any) -> Any:
        return traced(saved(call("a.r", on_commit=[OnCommit("a.send_mail", outcome=outcome)])))

    assert told(with_callback("ran"), with_callback("waiting")) == [
        "~ on_commit(a.send_mail), in a.r: still waiting at the end instead of ending well"
    ]


def test_receivers_that_a_subclass_runs_itself_are_told() -> None:
    assert told(traced(sent(unwatched=["a.b"])), traced(sent(unwatched=["a.b", "a.c"]))) == [
        "+ a.c on shop.signals.paid of shop.Order"
    ]


# Time


def took(own_time: float, calls: int = 1, **contents: Any) -> Trace:
    return traced(
        saved(*[call("a.r", own_time=own_time) for _ in range(calls)]),
        **{"duration": 1.0, **contents},
    )


@pytest.mark.parametrize(
    ("before", "after", "is_told"),
    [
        (0.001, 0.009, False),  # nine times as long, and still not slow
        (0.015, 0.029, False),  # not twice as long
        (0.012, 0.021, False),  # not longer by what is slow
        (0.012, 0.025, True),
        (0.0, 0.011, True),
    ],
)
def test_slower_is_what_took_twice_as_long_and_longer_by_what_is_slow(
    before: float, after: float, is_told: bool
) -> None:
    assert bool(compare(took(before), took(after)).of_kind("slower")) is is_told
    assert bool(compare(took(after), took(before)).of_kind("faster")) is is_told


def test_a_trace_that_waited_for_a_processor_has_a_higher_limit() -> None:
    before, after = took(0.001), took(0.02)
    assert compare(before, after).of_kind("slower")
    after.slow_share, after.contents.waited = 0.01, 0.05
    assert not compare(before, after).of_kind("slower")
    assert not compare(after, before).of_kind("faster")


def test_times_of_a_loop_are_compared_for_as_many_calls() -> None:
    assert not compare(took(0.009, calls=2), took(0.009, calls=30)).of_kind("slower")
    assert compare(took(0.001, calls=10), took(0.0025, calls=11)).of_kind("slower")


def test_a_slow_receiver_is_a_new_finding_only_where_it_is_slower_beyond_noise() -> None:
    assert not compare(took(0.0099), took(0.0101))
    assert [each.slug for each in compare(took(0.001), took(0.05)).new] == ["slow-receiver"]
    assert [each.slug for each in compare(took(0.05), took(0.001)).gone] == ["slow-receiver"]
    assert [each.slug for each in compare(traced(), took(0.05)).new] == ["slow-receiver"]


# What is not told


def test_keys_ids_addresses_arguments_and_lines_make_no_difference() -> None:
    before = traced(
        sent(
            call("a.b.<locals>.c at 0x7f0011223344", at(7), dispatch_uid="1", response=1),
            sender="shop.Order(pk=3)",
            kwargs={"order": 3},
            started_at=0.1,
        )
    )
    after = traced(
        sent(
            call("a.b.<locals>.c at 0x7f9988776655", at(9), dispatch_uid="2", response=2),
            sender="shop.Order(pk=4)",
            kwargs={"order": 4},
            sent_from=at(31),
            started_at=0.2,
        )
    )

    assert compare(before, after).changes == ()
    assert not compare(before, after)
    assert str(compare(before, after)) == "No difference."


placed = Signal()
SOURCE = """
from django.dispatch import receiver


@receiver(placed)
def send_receipt(sender, order, **kwargs):
    recipient = order
    return recipient
"""
WITH_ONE_MORE = (
    SOURCE
    + """

@receiver(placed)
def text_customer(sender, order, **kwargs):
    return order
"""
)
RENAMED = SOURCE.replace("recipient", "whom").replace("\n\n\n", "\n\n\n# Moved down.\n\n\n")


def run_of(source: str) -> Trace:
    """The trace of a signal that is sent to the receivers of a module."""
    module = {"__name__": "shop.receivers", "placed": placed}
    exec(compile(source, "shop/receivers.py", "exec"), module)
    try:
        with trace_signals("checkout") as trace:
            placed.send("shop", order=object())
        return Trace.from_dict(trace.to_dict())
    finally:
        for name in ("send_receipt", "text_customer"):
            placed.disconnect(module.get(name))


def test_a_commit_that_adds_a_receiver_is_told_in_words() -> None:
    assert told(run_of(SOURCE), run_of(WITH_ONE_MORE)) == [
        "+1 receiver call",
        "+ shop.receivers.text_customer on test_comparing.placed of 'shop'",
    ]


def test_a_commit_that_renames_a_variable_and_moves_lines_is_not_told_at_all() -> None:
    before, after = run_of(SOURCE), run_of(RENAMED)
    assert before.receiver_calls()[0].defined_at != after.receiver_calls()[0].defined_at

    assert told(before, after) == ["No difference."]


def test_the_number_of_a_signal_without_a_name_makes_no_difference() -> None:
    one, seven = (traced(sent(signal=f"<unnamed Signal {number}>")) for number in (1, 7))

    assert not compare(one, seven)


# The whole


def test_what_is_a_packages_is_counted_where_only_the_project_is_asked_for() -> None:
    theirs = call("auditlog.log", at(1, "/lib/site-packages/auditlog/log.py"))
    owners = {"/lib/site-packages/auditlog/log.py": Owner("package", "auditlog")}
    sends = call(
        "auditlog.log",
        theirs.defined_at,
        dispatches=[sent(call("shop.receivers.note"), signal="auditlog.done")],
    )
    before = traced(saved(INDEX), owners=owners)

    own = compare(before, traced(saved(INDEX, theirs), owners=owners)).of_project()
    assert not own
    assert str(own) == "No difference.\n1 difference more in installed packages."
    own = compare(before, traced(saved(INDEX, sends), owners=owners)).of_project()
    assert str(own).splitlines()[1:] == [
        "+ auditlog.done of shop.Order, in auditlog.log",
        "  + shop.receivers.note",
        "1 difference more in installed packages.",
    ]


def test_what_was_not_kept_is_said() -> None:
    assert told(traced(), traced(omitted=3, too_deep=1)) == [
        "No difference.",
        (
            "0 dispatches of the first trace and 4 dispatches of the second were not kept: what "
            "differs in those is not known. Raise MAX_DISPATCHES."
        ),
    ]


def test_what_a_trace_says_is_escaped_for_a_terminal() -> None:
    [line] = told(traced(sent()), traced(sent(call("a\x1b[2J"))))[1:]
    assert line == "+ a\\x1b[2J on shop.signals.paid of shop.Order"


def test_what_is_no_trace_is_refused() -> None:
    with pytest.raises(TypeError, match=r"compare\(\) takes two traces, and the second is 'x'\."):
        compare(traced(), "x")  # type: ignore[arg-type]


def test_running_traces_are_compared_as_they_are_now() -> None:
    placed = Signal()
    placed.connect(listen)
    with trace_signals() as trace:
        before = trace.frozen()
        placed.send("shop")
        assert len(compare(before, trace).changes) == 2


def listen(**kwargs: object) -> None:
    pass


def test_it_is_json_and_comes_back_from_it() -> None:
    found = compare(traced(saved(INDEX)), traced(saved(INDEX, MAIL), sent(failing("raised"))))
    data = json.loads(found.to_json())

    assert data.pop("version") == 1
    assert [each["kinds"] for each in data["changes"]] == [["added"], ["added"], ["added"]]
    assert read(Difference, data) == found


# Whatever there is


few = st.sampled_from(["a.b", "a.c", "a.d", "a.e(pk=1)"])


def calls_of(nested: st.SearchStrategy[list[Dispatch]]) -> st.SearchStrategy[ReceiverCall]:
    return st.builds(
        ReceiverCall,
        few,
        own_time=st.sampled_from([0.0, 0.002, 0.04, 5.0]),
        outcome=st.sampled_from(["returned", "swallowed", "raised"]),
        error=st.sampled_from([None, Error("ValueError", "x"), Error("KeyError", "y")]),
        omitted_queries=st.integers(0, 3),
        dispatches=nested,
        bypasses=st.lists(st.builds(Bypass, few, few), max_size=1),
        on_commit=st.lists(st.builds(OnCommit, few), max_size=1),
    )


def dispatches_of(nested: st.SearchStrategy[list[Dispatch]]) -> st.SearchStrategy[Dispatch]:
    return st.builds(
        Dispatch,
        few,
        few,
        method=st.sampled_from(["send", "send_robust"]),
        rolled_back=st.sampled_from([(), ("default",)]),
        receiver_calls=st.lists(calls_of(nested), max_size=4),
    )


dispatches = st.recursive(
    dispatches_of(st.builds(list)),
    lambda below: dispatches_of(st.lists(below, max_size=3)),
    max_leaves=12,
)
traces = st.builds(
    lambda found, outside, unheard: traced(*found, other_queries=outside, unheard=unheard),
    st.lists(dispatches, max_size=4),
    st.integers(0, 2),
    st.lists(st.builds(Unheard, few, few, st.integers(1, 3)), max_size=2),
)
MIRRORED: dict[Kind, Kind] = {
    "added": "lost",
    "lost": "added",
    "slower": "faster",
    "faster": "slower",
}


def seen(changes: tuple[Changed, ...], *, is_mirrored: bool) -> list[str]:
    """All of each change but how deep its line stands, in any order."""

    def sides() -> Iterator[str]:
        for each in changes:
            kinds, sides = each.kinds, (each.before, each.after)
            if is_mirrored:
                kinds, sides = tuple(MIRRORED.get(kind, kind) for kind in kinds), sides[::-1]
            yield repr((kinds, sides))

    return sorted(sides())


@given(traces)
@settings(max_examples=30)
def test_a_trace_does_not_differ_from_itself_nor_from_a_copy(trace: Trace) -> None:
    assert not compare(trace, trace)
    assert str(compare(trace, Trace.from_dict(trace.to_dict()))) == "No difference."


@given(traces, traces)
@settings(max_examples=60)
def test_the_other_way_round_it_says_the_opposite(one: Trace, other: Trace) -> None:
    there, back = compare(one, other), compare(other, one)

    assert seen(there.changes, is_mirrored=False) == seen(back.changes, is_mirrored=True)
    assert (there.new, there.gone) == (back.gone, back.new)
    assert (there.before, there.after) == (back.after, back.before)
    assert str(there)


@given(traces, traces)
@settings(max_examples=30)
def test_the_numbers_of_what_was_added_and_lost_and_repeated_add_up(
    one: Trace, other: Trace
) -> None:
    """Where nothing is told, there is nothing: the same rows the same number of times."""
    if not compare(one, other).changes:
        assert len(one.receiver_calls()) == len(other.receiver_calls())
        assert one.query_count() == other.query_count()


# How much work it is


def calls_made(function: object, *arguments: object) -> int:
    """How many functions of Python it takes."""
    number = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal number
        number += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        function(*arguments)  # type: ignore[operator]
    finally:
        sys.setprofile(before)
    return number


def test_ten_times_as_much_is_ten_times_the_work() -> None:
    def upside_down(number: int) -> int:
        senders = [f"a.S{each}" for each in range(number)]
        before, after = (
            traced(*(saved(call(f"a.r{each}"), sender=each) for each in order))
            for order in (senders, [*senders[::-1], "a.New"])
        )
        return calls_made(compare, before, after)

    assert upside_down(1_000) < 13 * upside_down(100)
