"""What a graph answers: what goes round, how far it goes, what costs, who stands alone."""

from __future__ import annotations

import json

from graphs_by_hand import PRE_SAVE, SAVE, add, call, graph_of, saved, sent

from signal_tracer.graph.questions import Alone, Cost, Hub, Questions, way_of
from signal_tracer.graph.words import Sent
from signal_tracer.records import PROJECT, Dispatch
from signal_tracer.signal_graph import SignalGraph


def ways(graph: SignalGraph) -> list[str]:
    return [each.way for each in Questions(graph).chains()]


def cycles(graph: SignalGraph) -> list[str]:
    return [way_of(each) for each in Questions(graph).cycles()]


def down(*senders: str) -> Dispatch:
    """Saves one below the other, each by the receiver of the one before."""
    first, *rest = senders
    return saved(first, call(f"{first}.hear", *([down(*rest)] if rest else [])))


def test_a_circle_is_found_that_no_trace_shows_whole() -> None:
    graph = graph_of(down("a", "b"))
    add(graph, down("b", "c"), name="test_2")
    add(graph, down("c", "a"), name="test_3")

    assert cycles(graph) == ["saving a > a.hear saves b > b.hear saves c > c.hear saves a"]


def test_each_circle_is_told_once_the_shortest_first() -> None:
    graph = graph_of(down("a", "b", "a"), down("x", "y", "z", "x"), down("s", "s"))

    assert cycles(graph) == [
        "saving s > s.hear saves s",
        "saving a > a.hear saves b > b.hear saves a",
        "saving x > x.hear saves y > y.hear saves z > z.hear saves x",
    ]


def test_a_chain_is_joined_from_what_was_seen_apart() -> None:
    graph = graph_of(down("a", "b"))
    add(graph, down("b", "c"), name="test_2")

    assert ways(graph) == ["saving a > a.hear saves b > b.hear saves c > c.hear"]


def test_the_longest_chains_come_first_and_a_circle_is_not_followed() -> None:
    graph = graph_of(down("a", "b", "a"), down("l", "m", "n"), down("q", "r"))

    assert ways(graph) == [
        "saving l > l.hear saves m > m.hear saves n > n.hear",
        "saving q > q.hear saves r > r.hear",
    ]


def test_a_chain_leads_into_a_circle_and_out_of_it() -> None:
    graph = graph_of(down("a", "b", "c", "b"), down("c", "d"))

    assert ways(graph) == [
        "saving a > a.hear saves b > b.hear",
        "saving c > c.hear saves d > d.hear",
    ]


def test_chains_that_differ_in_their_first_sender_alone_are_one() -> None:
    entry = saved("log.Entry", call("log.index"))
    graph = graph_of(*(saved(each, call("log.write", entry)) for each in ("a", "b", "c")))

    assert ways(graph) == ["saving a and 2 more > log.write saves log.Entry > log.index"]


def test_what_only_receivers_send_begins_no_chain() -> None:
    graph = graph_of(saved("a", call("a.hear", down("b", "c", "d"), down("x", "y"))))

    assert ways(graph) == ["saving a > a.hear saves b > b.hear saves c > c.hear saves d > d.hear"]


def test_a_chain_ends_before_those_who_hear_each_row_that_is_loaded() -> None:
    loaded = saved("c", call("all.hear"), signal="django.db.models.signals.post_init")
    graph = graph_of(saved("a", call("a.hear", saved("b", call("b.hear", loaded)))))

    assert ways(graph) == ["saving a > a.hear saves b > b.hear"]


def test_what_leads_out_of_a_circle_begins_there() -> None:
    graph = graph_of(saved("a", call("a.hear", saved("b", call("b.hear", down("a"), down("c"))))))

    assert ways(graph) == ["saving b > b.hear saves c > c.hear"]


def test_a_chain_of_more_links_than_python_can_recurse_is_followed() -> None:
    graph = SignalGraph()
    for number in range(1100):
        add(graph, down(f"m{number:04}", f"m{number + 1:04}"), name="test")

    [chain] = Questions(graph).chains()

    assert chain.length == 1101


def test_costs_are_added_up_over_all_that_a_receiver_hears() -> None:
    sql = ("UPDATE shop_order SET n = 1",)
    graph = graph_of(
        saved("a", call("x", own_time=0.5, writes=sql), call("y", own_time=0.25)),
        saved("b", call("x", own_time=0.25), call("z")),
    )

    assert Questions(graph).costs() == [
        Cost("x", PROJECT, 2, 0.75, 0.75, 1),
        Cost("y", PROJECT, 1, 0.25, 0.25, 0),
        Cost("z", PROJECT, 1, 0.0, 0.0, 0),
    ]


def test_a_hub_is_what_several_send_or_hear() -> None:
    entry = saved("log.Entry", call("log.index"), call("log.count", down("c")))
    graph = graph_of(saved("a", call("a.hear", entry)), saved("b", call("b.hear", entry)))

    assert Questions(graph).hubs() == [Hub(Sent(SAVE, "log.Entry"), 2, 2, 3)]


def test_alone_is_a_signal_of_ones_own_with_one_way_in_and_one_way_out() -> None:
    graph = graph_of(
        sent("shop.paid", "shop.Order", call("billing.book")),
        sent("shop.sent", "None", call("x"), call("y")),
        saved("shop.Order", call("only.hear", sent("shop.packed", "None", call("p.print")))),
        # Of this one code sends it, and a receiver.
        saved("shop.Item", call("i.hear", sent("shop.counted", "None", call("c.count")))),
        sent("shop.counted", "None", call("c.count")),
    )

    assert Questions(graph).alone() == [
        Alone("shop.packed", "p.print", PROJECT, "only.hear", 1),
        Alone("shop.paid", "billing.book", PROJECT, "", 1),
    ]
    of_others = Questions(graph, foreign=["shop.paid"]).alone()
    assert [each.signal for each in of_others] == ["shop.packed"]


def test_receivers_of_django_and_of_tests_are_left_out_and_of_packages_on_demand() -> None:
    graph = graph_of(
        saved("a", call("django.contrib.x.hear"), call("tests.x.hear"), call("auditlog.hear")),
        saved("a", call("mine.hear"), signal=PRE_SAVE),
    )

    assert [each.receiver for each in Questions(graph).costs()] == ["auditlog.hear", "mine.hear"]
    only = Questions(graph, project_only=True)
    assert [each.receiver for each in only.costs()] == ["mine.hear"]


def test_as_json_the_answers_are_plain_and_no_more_than_asked_for() -> None:
    graph = graph_of(down("a", "a"), down("q", "r"), down("s", "t"))

    data = Questions(graph).to_dict(1)

    assert json.loads(json.dumps(data)) == data
    heard = {"signal": SAVE, "sender": "a"}
    assert data["cycles"] == [[{"heard": heard, "receiver": "a.hear", "sent": heard}]]
    assert len(data["chains"]) == len(data["costs"]) == 1
    assert (data["traces"], data["dispatches"], data["omitted"]) == (1, 6, 0)
