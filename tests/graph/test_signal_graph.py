"""The observed graph: what is counted of a trace, and that the order of adding is all the same."""

from __future__ import annotations

import json
import tracemalloc
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_traces import trace_of, traces

from signal_tracer import SignalGraph, signal_graph
from signal_tracer.records import (
    DJANGO,
    MOST,
    PROJECT,
    Bypass,
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
from signal_tracer.signal_graph import (
    SeenCalls,
    SeenDispatches,
    SeenSendings,
    load,
    median_duration,
    median_queries,
)

SAVED = "django.db.models.signals.post_save"


def notified(**fields: object) -> ReceiverCall:
    return ReceiverCall("shop.receivers.notify", **fields)  # type: ignore[arg-type]


def graph_of(*dispatches: Dispatch, **contents: object) -> SignalGraph:
    return SignalGraph.from_traces([trace_of(*dispatches, **contents)])


def only_call(graph: SignalGraph) -> SeenCalls:
    [call] = graph.calls.values()
    return call


# What is counted


def test_a_graph_counts_dispatches_their_receivers_and_what_those_sent() -> None:
    shipped = Dispatch(
        "shop.signals.shipped", "shop.Order", "send_robust", receiver_calls=[notified()]
    )
    paid = Dispatch(
        "shop.signals.paid",
        "shop.Order",
        receiver_calls=[ReceiverCall("shop.receivers.relay", dispatches=[shipped, shipped])],
    )

    graph = SignalGraph.from_traces([trace_of(paid, name="test_b"), trace_of(paid, name="test_a")])

    assert [*graph.dispatches.values()] == [
        SeenDispatches(
            "shop.signals.paid",
            "shop.Order",
            count=2,
            outside=2,
            methods={"send": 2},
            traces=2,
            example="test_a",
        ),
        SeenDispatches(
            "shop.signals.shipped",
            "shop.Order",
            count=4,
            methods={"send_robust": 4},
            traces=2,
            example="test_a",
        ),
    ]
    assert [(each.receiver, each.count) for each in graph.calls.values()] == [
        ("shop.receivers.relay", 2),
        ("shop.receivers.notify", 4),
    ]
    assert [*graph.sendings.values()] == [
        SeenSendings(
            *("shop.signals.paid", "shop.Order", "shop.receivers.relay"),
            *("shop.signals.shipped", "shop.Order"),
            positions=6,
            count=4,
            traces=2,
            example="test_a",
        )
    ]
    assert (graph.traces, graph.omitted, graph.unrecorded) == (2, 0, 0)


def test_a_receiver_is_counted_with_all_that_its_calls_did() -> None:
    call = notified(
        defined_at=Location("/site/shop/receivers.py", 3, "notify"),
        is_async=True,
        duration=0.25,
        own_time=0.125,
        outcome="swallowed",
        error=Error("builtins.ValueError", "no address"),
        queries=[
            Query('INSERT INTO "notifications_sms" ("text") VALUES (%s)', is_write=True),
            Query('INSERT INTO "notifications_sms" ("text") VALUES (%s)', is_write=True),
            Query('SELECT 1 FROM "shop_order"'),
        ],
        omitted_queries=2,
        bypasses=[Bypass("bulk_create", "shop.Item")],
        on_commit=[OnCommit("shop.receivers.notify.<locals>.<lambda>")],
        errands=[Errand("task", "shop.tasks.notify"), Errand("mail")],
    )

    graph = graph_of(Dispatch("shop.signals.paid", "shop.Order", receiver_calls=[call]))

    assert only_call(graph) == SeenCalls(
        *("shop.signals.paid", "shop.Order", "shop.receivers.notify"),
        is_async=True,
        position=1,
        positions=1,
        count=1,
        swallowed=1,
        errors={"builtins.ValueError": 1},
        duration=250_000_000,
        own_time=125_000_000,
        durations={"234881024": 1},
        queries=5,
        query_counts={"5": 1},
        writes={"INSERT notifications_sms": 2},
        bypasses={"shop.Item.bulk_create()": 1},
        callbacks={"shop.receivers.notify.<locals>.<lambda>": 1},
        errands={"task shop.tasks.notify": 1, "mail": 1},
        example="test_it",
    )


def test_dispatches_that_nobody_heard_are_counted_by_their_sender() -> None:
    heard = Dispatch(SAVED, "shop.Order", receiver_calls=[notified()])

    graph = graph_of(heard, unheard=[Unheard(SAVED, "shop.Order", 7)])

    [seen] = graph.dispatches.values()
    assert (seen.count, seen.unheard, seen.outside, seen.methods, seen.traces) == (
        *(8, 7, 1),
        *({"send": 1}, 1),
    )


def test_what_raised_and_what_was_rolled_back_is_counted() -> None:
    failed = Dispatch(
        SAVED,
        receiver_calls=[notified(outcome="raised", error=Error("shop.NoStockError", "none"))],
        error=Error("shop.NoStockError", "none"),
        rolled_back=("default",),
    )
    cancelled = Dispatch(SAVED, receiver_calls=[notified(outcome="cancelled")])

    graph = graph_of(failed, cancelled)

    [seen] = graph.dispatches.values()
    call = only_call(graph)
    assert (seen.count, seen.raised, seen.rolled_back) == (2, 1, 1)
    assert (call.count, call.raised, call.swallowed, call.cancelled) == (2, 1, 0, 1)
    assert call.errors == {"shop.NoStockError": 1}


def test_receivers_that_a_subclass_of_signal_ran_itself_are_calls_without_a_time() -> None:
    graph = graph_of(Dispatch("shop.chained", unwatched=["shop.one", "shop.two"]))

    one, two = graph.calls_of("shop.chained", "None")
    assert [one.receiver, two.receiver] == ["shop.one", "shop.two"]
    assert (two.count, two.position, two.durations) == (1, 2, {})
    assert median_duration(two) is None
    assert median_queries(two) is None


def test_what_a_callback_sent_belongs_to_the_receiver_that_registered_it() -> None:
    later = Dispatch("shop.later", started_at=3.5, on_commit="shop.tell", receiver_calls=[])
    other = Dispatch("shop.later", started_at=9.0, on_commit="shop.tell", receiver_calls=[])
    unknown = Dispatch("shop.later", started_at=3.5, on_commit="shop.views.tell")
    registered = [OnCommit("shop.tell", outcome="ran", ran_at=3.0, duration=1.0)]
    paid = Dispatch(SAVED, "shop.Order", receiver_calls=[notified(on_commit=registered)])

    graph = graph_of(paid, later, other, unknown)

    [sending] = graph.sendings.values()
    assert sending.key == (
        *(SAVED, "shop.Order", "shop.receivers.notify"),
        *("shop.later", "None", "shop.tell"),
    )
    assert sending.count == 1
    assert graph.dispatches["shop.later", "None"].outside == 2


def test_what_a_callback_sent_in_another_receiver_is_not_taken_for_its_own() -> None:
    later = Dispatch("shop.later", started_at=3.5, on_commit="shop.tell")
    registered = [OnCommit("shop.tell", outcome="ran", ran_at=3.0, duration=1.0)]
    stock = Dispatch("shop.stock", receiver_calls=[notified(on_commit=registered)])
    commits = ReceiverCall("shop.receivers.commits", dispatches=[stock, later])

    graph = graph_of(Dispatch(SAVED, receiver_calls=[commits]))

    assert [
        (each.receiver, each.sent_signal, each.on_commit) for each in graph.sendings.values()
    ] == [
        ("shop.receivers.commits", "shop.stock", ""),
        ("shop.receivers.notify", "shop.later", "shop.tell"),
    ]


def test_owners_are_those_that_the_trace_knows() -> None:
    calls = [
        ReceiverCall("shop.ours", Location("/site/shop.py", 1, "ours")),
        ReceiverCall("audit.theirs", Location("/installed/audit.py", 1, "theirs")),
        ReceiverCall("django.dispatch.its"),
        ReceiverCall("builtins.print"),
    ]

    graph = graph_of(
        Dispatch(SAVED, receiver_calls=calls),
        owners={"/installed/audit.py": Owner("package", "audit")},
    )

    assert [each.owner for each in graph.calls_of(SAVED, "None")] == [
        *(PROJECT, Owner("package", "audit")),
        *(DJANGO, PROJECT),
    ]


def test_dispatches_that_a_trace_had_left_out_are_said() -> None:
    graph = SignalGraph.from_traces([trace_of(omitted=3, too_deep=2), trace_of(omitted=1)])

    assert (graph.unrecorded, graph.omitted) == (6, 0)


def test_pieces_of_one_trace_count_as_one() -> None:
    graph = SignalGraph()
    piece = trace_of(Dispatch(SAVED, receiver_calls=[notified()]))

    graph.add(piece, piece)

    assert (graph.traces, only_call(graph).count, only_call(graph).traces) == (1, 2, 1)


# Questions


def test_receivers_come_in_calling_order_even_if_one_was_once_called_alone() -> None:
    both = Dispatch(SAVED, receiver_calls=[ReceiverCall("shop.z_first"), ReceiverCall("shop.a")])
    muted = Dispatch(SAVED, receiver_calls=[ReceiverCall("shop.a")])

    graph = graph_of(both, both, muted)

    assert [(each.receiver, each.position) for each in graph.calls_of(SAVED, "None")] == [
        ("shop.z_first", 1),
        ("shop.a", 1),
    ]
    assert graph.calls_of("shop.unknown", "None") == []


def test_what_a_receiver_sent_comes_in_the_order_in_which_it_did() -> None:
    sends = ReceiverCall("shop.relay", dispatches=[Dispatch("shop.z"), Dispatch("shop.a")])

    graph = graph_of(Dispatch(SAVED, receiver_calls=[sends]))

    assert [each.sent_signal for each in graph.sent_by(only_call(graph))] == ["shop.z", "shop.a"]
    graph.add(
        trace_of(
            Dispatch(
                SAVED, receiver_calls=[ReceiverCall("shop.relay", dispatches=[Dispatch("shop.m")])]
            )
        )
    )
    assert [each.sent_signal for each in graph.sent_by(only_call(graph))] == [
        *("shop.m", "shop.z", "shop.a")
    ]


def test_a_median_is_exact_for_few_queries() -> None:
    calls = [notified(omitted_queries=number) for number in (15, 3, 0, 15, 15)]

    graph = graph_of(Dispatch(SAVED, receiver_calls=calls))

    assert median_queries(only_call(graph)) == 15


@given(st.lists(st.integers(0, MOST), min_size=1, max_size=9))
def test_a_median_of_times_is_right_within_seven_percent(nanoseconds: list[int]) -> None:
    calls = [notified(duration=each / 1e9) for each in nanoseconds]
    in_the_middle = sorted(nanoseconds)[(len(nanoseconds) - 1) // 2] / 1e9

    found = median_duration(only_call(graph_of(Dispatch(SAVED, receiver_calls=calls))))

    assert found == pytest.approx(in_the_middle, rel=0.07, abs=1e-9)


# Names


@pytest.mark.parametrize(
    ("sender", "counted"),
    [
        ("shop.Order", "shop.Order"),
        ("None", "None"),
        ("shop.Order(pk=3)", "shop.Order"),
        ("shop.Order(pk=('a', Order(1)))", "shop.Order"),
        ("<shop.services.Checkout>", "shop.services.Checkout"),
        ("<shop.make.<locals>.Checkout>", "shop.make.<locals>.Checkout"),
        ("shop.make.<locals>.Checkout", "shop.make.<locals>.Checkout"),
        ("<WSGIRequest GET /orders/3/>", "WSGIRequest"),
        ("<QuerySet of shop.Order>", "<QuerySet of shop.Order>"),
        ("<lazy object, not set up>", "<lazy object, not set up>"),
        ("shop.Order of a migration", "shop.Order of a migration"),
        ("list of 1,200", "list"),
        ("UUID(5b0c8f80-0d27-4f6a-9d5e-0a6a3f0e6a10)", "UUID"),
        ("17", "int"),
        ("-1.5e-07", "float"),
        ("'till'", "'till'"),
        ("'order 123456789'", "'order …'"),
        ("<Thing object at 0x7f0011223344>", "Thing"),
        ("", ""),
    ],
)
def test_an_instance_that_sends_counts_as_its_class(sender: str, counted: str) -> None:
    graph = graph_of(Dispatch(SAVED, sender), unheard=[Unheard(SAVED, sender, 1)])

    assert [*graph.dispatches] == [(SAVED, counted)]
    assert graph.dispatches[SAVED, counted].count == 2


def test_signals_that_no_module_holds_are_not_told_apart_by_their_number() -> None:
    graph = graph_of(Dispatch("<unnamed Signal 1>"), Dispatch("<unnamed Signal 27>"))

    assert [*graph.dispatches] == [("<unnamed Signal>", "None")]


def test_names_hold_no_addresses_and_no_ports_of_the_moment_and_are_cut() -> None:
    call = ReceiverCall(
        f"shop.{'x' * 400}",
        on_commit=[OnCommit("<tell at 0x7f0011223344>")],
        errands=[Errand("network", "localhost:39127"), Errand("network", "shop.example:443")],
    )

    seen = only_call(graph_of(Dispatch(SAVED, receiver_calls=[call]), name="n" * 400))

    assert seen.receiver == f"shop.{'x' * 295}…"
    assert seen.example == f"{'n' * 300}…"
    assert [*seen.callbacks] == ["<tell at …>"]
    assert [*seen.errands] == ["network localhost", "network shop.example:443"]


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ('INSERT INTO "shop_order" ("a") VALUES (%s)', "INSERT shop_order"),
        ("insert or ignore into shop_order values (1)", "INSERT shop_order"),
        ("INSERT IGNORE INTO `shop_order` VALUES (1)", "INSERT shop_order"),
        ('UPDATE "public"."shop_order" SET "a" = %s', "UPDATE public.shop_order"),
        ("UPDATE ONLY shop_order SET a = 1", "UPDATE shop_order"),
        ("UPDATE [shop_order] SET [a] = %s", "UPDATE shop_order"),
        ("/* who: me */ -- why\n DELETE FROM shop_order WHERE id = 1", "DELETE shop_order"),
        ("REPLACE INTO shop_order VALUES (1)", "REPLACE shop_order"),
        ('TRUNCATE "shop_order", "shop_item";', "TRUNCATE shop_order"),
        (
            "WITH old AS (SELECT 1 FROM a FOR UPDATE OF a) DELETE FROM b USING old",
            "DELETE b",
        ),
        ("MERGE INTO b USING a ON (1 = 1)", "MERGE b"),
        ("WITH x AS (SELECT 1) VACUUM", "WITH"),
        ("", ""),
    ],
)
def test_a_write_is_told_by_its_verb_and_table(sql: str, said: str) -> None:
    call = notified(queries=[Query(sql, is_write=True)])

    assert only_call(graph_of(Dispatch(SAVED, receiver_calls=[call]))).writes == {said: 1}


# The same in any order


@st.composite
def added_in_any_order(draw: st.DrawFn) -> tuple[SignalGraph, SignalGraph]:
    """All of some traces added one after the other; and in another order, in groups, merged."""
    all_of_them = draw(st.lists(traces, max_size=6))
    graphs = [SignalGraph.from_traces([each]) for each in draw(st.permutations(all_of_them))]
    while len(graphs) > 1:
        one = graphs.pop(draw(st.integers(0, len(graphs) - 1)))
        other = graphs[draw(st.integers(0, len(graphs) - 1))]
        other.merge(load(one.to_json()) if draw(st.booleans()) else one)
    return SignalGraph.from_traces(all_of_them), [*graphs, SignalGraph()][0]


@given(st.data())
def test_traces_in_any_order_and_grouping_make_the_same_graph(data: st.DataObject) -> None:
    one, other = data.draw(added_in_any_order())

    assert one == other
    assert one.to_json() == other.to_json()


@given(st.data(), st.integers(0, 3))
@settings(max_examples=60)
def test_so_they_do_when_there_are_too_many_names(data: st.DataObject, most: int) -> None:
    with patch.object(signal_graph, "MOST_KEYS", most), patch.object(signal_graph, "MOST_NAMES", 1):
        one, other = data.draw(added_in_any_order())

        assert one == other
        assert one.to_json() == other.to_json()
        assert max(len(one.dispatches), len(one.calls), len(one.sendings)) <= most
        assert all(len(each.writes) <= 1 for each in one.calls.values())


@given(st.lists(traces, max_size=5))
def test_what_is_left_out_is_counted_and_what_is_kept_is_whole(some: list[object]) -> None:
    whole = SignalGraph.from_traces(some)  # type: ignore[arg-type]
    with patch.object(signal_graph, "MOST_KEYS", 2):
        part = SignalGraph.from_traces(some)  # type: ignore[arg-type]

    kinds = [(whole.dispatches, part.dispatches), (whole.calls, part.calls)]
    left_out = 0
    for all_of_them, kept in [*kinds, (whole.sendings, part.sendings)]:
        first = sorted(all_of_them)[:2]  # type: ignore[type-var]
        assert sorted(kept) == first  # type: ignore[type-var]
        assert kept == {key: all_of_them[key] for key in first}  # type: ignore[index]
        left_out += sum(each.count for key, each in all_of_them.items() if key not in first)
    assert part.omitted == min(left_out, MOST)


@pytest.mark.parametrize("order", [1, -1])
def test_the_names_that_one_receiver_counts_are_bounded_too(order: int) -> None:
    sql = ["UPDATE b SET c = 1", "INSERT INTO a VALUES (1)", "UPDATE b SET c = 2"][::order]
    call = notified(queries=[Query(each, is_write=True) for each in sql])

    with patch.object(signal_graph, "MOST_NAMES", 1):
        seen = only_call(graph_of(Dispatch(SAVED, receiver_calls=[call, call])))

    assert (seen.writes, seen.omitted) == ({"INSERT a": 2}, 4)


def test_sums_stop_at_the_largest_number_that_json_keeps() -> None:
    call = notified(duration=1e10, omitted_queries=MOST)

    seen = only_call(graph_of(Dispatch(SAVED, receiver_calls=[call, call])))

    assert (seen.duration, seen.queries, seen.count) == (MOST, MOST, 2)


def test_merging_leaves_the_other_graph_as_it_was() -> None:
    one = graph_of(Dispatch(SAVED, receiver_calls=[notified(duration=1.0)]))
    other = graph_of(Dispatch(SAVED, receiver_calls=[notified(duration=2.0)]))
    before = other.to_json()
    merged = SignalGraph()

    merged.merge(one)
    merged.merge(other)
    merged.merge(merged)

    assert other.to_json() == before
    assert (merged.traces, only_call(merged).count) == (4, 4)


# As JSON


@given(st.lists(traces, max_size=3))
def test_nothing_is_lost_on_the_way_to_json_and_back(some: list[object]) -> None:
    graph = SignalGraph.from_traces(some)  # type: ignore[arg-type]

    read = load(graph.to_json(indent=1))

    assert read == graph
    assert read.to_json() == graph.to_json()
    assert json.loads(graph.to_json()) == graph.to_dict()


def test_a_graph_is_no_key_and_equal_only_to_a_graph() -> None:
    graph = graph_of(Dispatch(SAVED, receiver_calls=[notified()]))

    assert graph != graph.to_dict()
    assert graph != SignalGraph()
    with pytest.raises(TypeError, match="unhashable"):
        hash(graph)
    assert repr(graph) == "<SignalGraph of 1 traces, 1 receivers>"


# Bounded


def test_a_graph_does_not_grow_with_the_number_of_traces() -> None:
    paid = [
        Dispatch(
            SAVED,
            f"shop.Model{number}",
            receiver_calls=[
                notified(
                    duration=number / 1000,
                    dispatches=[Dispatch("shop.signals.paid", f"shop.Order(pk={number})")],
                )
            ],
        )
        for number in range(20)
    ]
    many = [trace_of(*paid, name=f"test_{number:06}") for number in range(10)]
    graph = SignalGraph.from_traces(many)
    tracemalloc.start()
    try:
        for _ in range(50):
            graph.merge(SignalGraph.from_traces(many))
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(50):
            graph.merge(SignalGraph.from_traces(many))
            for each in many:
                graph.add(each)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()

    assert graph.traces == 1_510
    assert grown < 20_000


def test_the_receivers_of_a_signal_are_those_that_were_added_last_as_well() -> None:
    def paid(receiver: str) -> Dispatch:
        return Dispatch("shop.paid", "shop.Order", "send", receiver_calls=[ReceiverCall(receiver)])

    graph = graph_of(paid("shop.pack"))
    assert [each.receiver for each in graph.calls_of("shop.paid", "shop.Order")] == ["shop.pack"]
    graph.merge(graph_of(paid("shop.tell")))

    assert [each.receiver for each in graph.calls_of("shop.paid", "shop.Order")] == [
        "shop.pack",
        "shop.tell",
    ]
