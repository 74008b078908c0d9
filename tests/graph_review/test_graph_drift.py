"""What a change does to signals is told in words, once each, and nothing else is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from graphs_by_hand import PRE_SAVE, SAVE, add, call, graph_of, saved, sent, unheard
from hypothesis import given
from hypothesis import strategies as st

from signal_tracer.graph import drift as graph_drift
from signal_tracer.graph.drift import Drift, KeptGraph, keep
from signal_tracer.records import Bypass, Dispatch, Errand, OnCommit, ReceiverCall
from signal_tracer.signal_graph import SignalGraph, SignalGraphFormatError

INVOICE = "billing.receivers.write_invoice"
TEXT = "notifications.receivers.text_customer"
SMS = "INSERT INTO notifications_sms (number) VALUES (%s)"


def drift(before: SignalGraph, after: SignalGraph) -> Drift:
    return graph_drift.compare(keep(before), after)


def order(*calls: ReceiverCall) -> Dispatch:
    return saved("shop.Order", *calls)


def test_a_new_receiver_is_told_with_the_test_that_saw_it_and_what_it_writes() -> None:
    before = graph_of(order(call(INVOICE)))
    after = graph_of(order(call(INVOICE), call(TEXT, writes=(SMS,))), name="test_x")

    assert drift(before, after) == Drift(
        [f"saving shop.Order now runs {TEXT} (seen in test_x), which writes to notifications_sms"],
        [],
        [],
    )


def test_a_lost_receiver_is_told_with_how_often_it_could_have_run() -> None:
    before = graph_of(order(call(INVOICE), call(TEXT, writes=(SMS,))))
    after = graph_of(order(call(INVOICE)), order(call(INVOICE)))

    assert drift(before, after) == Drift(
        [],
        [
            (
                f"saving shop.Order no longer runs {TEXT} (sent 2 times), which wrote to "
                "notifications_sms"
            )
        ],
        [],
    )


def test_what_was_not_sent_at_all_is_told_apart_from_what_is_lost() -> None:
    before = graph_of(order(call(INVOICE)), saved("shop.Item", call("a.a"), call("a.b")))
    after = graph_of(order(call(INVOICE)))

    assert drift(before, after) == Drift([], [], ["saving shop.Item, which ran a.a and a.b"])


def test_a_receiver_that_is_gone_from_what_nobody_hears_now_is_lost() -> None:
    before = graph_of(order(call(INVOICE)))
    after = graph_of(unheard=[unheard("shop.Order")])

    assert drift(before, after).lost == [
        f"saving shop.Order no longer runs {INVOICE} (sent 1 time)"
    ]


def test_all_that_a_new_receiver_sets_off_is_one_sentence() -> None:
    deepest = call("stats.receivers.count", writes=("UPDATE stats_row SET n = 1",))
    note = saved("crm.Note", call("crm.receivers.index", sent("crm.indexed", "crm.Note", deepest)))
    before = graph_of(order())
    after = graph_of(order(call(TEXT, note, writes=(SMS,))), name="test_x")

    assert drift(before, after).new == [
        (
            f"saving shop.Order now runs {TEXT} (seen in test_x), which writes to "
            "notifications_sms "
            "and saves crm.Note; saving crm.Note runs crm.receivers.index, which sends crm.indexed "
            "from crm.Note; sending crm.indexed from crm.Note runs stats.receivers.count, which "
            "updates stats_row"
        )
    ]


def test_all_that_a_lost_receiver_set_off_is_one_sentence() -> None:
    note = saved("crm.Note", call("crm.receivers.index"))
    before = graph_of(order(call(TEXT, note)))
    after = graph_of(unheard=[unheard("shop.Order")])

    assert drift(before, after) == Drift(
        [],
        [
            (
                f"saving shop.Order no longer runs {TEXT} (sent 1 time), which saved crm.Note; "
                "saving "
                "crm.Note ran crm.receivers.index"
            )
        ],
        [],
    )


def test_what_a_receiver_does_that_ran_before_is_told_of_it() -> None:
    before = graph_of(order(call(INVOICE)))
    after = graph_of(
        order(
            call(
                INVOICE,
                saved("crm.Note", call("crm.receivers.index")),
                writes=("DELETE FROM shop_draft WHERE id = 1",),
                bypasses=[Bypass("bulk_create", "shop.Item")],
                on_commit=[OnCommit("billing.tasks.push")],
                errands=[Errand("task", "billing.tasks.render"), Errand("mail")],
            )
        ),
        name="test_x",
    )

    assert drift(before, after).new == [
        (
            f"saving shop.Order runs {INVOICE} (seen in test_x), which now also deletes from "
            "shop_draft, does "
            "shop.Item.bulk_create() past its receivers, leaves billing.tasks.push to on_commit(), "
            "sends mail, queues the task billing.tasks.render and saves crm.Note; "
            "saving crm.Note runs crm.receivers.index"
        )
    ]
    assert drift(after, before) == Drift(
        [],
        [
            (
                f"saving shop.Order runs {INVOICE} (1 time), which no longer deletes from "
                "shop_draft, does "
                "shop.Item.bulk_create() past its receivers, leaves billing.tasks.push to "
                "on_commit(), "
                "sends mail, queues the task billing.tasks.render and saves crm.Note; "
                "saving crm.Note ran crm.receivers.index"
            )
        ],
        [],
    )


def test_what_else_runs_for_something_that_is_newly_sent_is_told_as_it_was_before() -> None:
    note = saved("crm.Note", call("crm.receivers.index"))
    before = graph_of(order(call(INVOICE)), note)
    after = graph_of(order(call(INVOICE, note)), name="test_x")

    assert drift(before, after).new == [
        (
            f"saving shop.Order runs {INVOICE} (seen in test_x), which now also saves crm.Note; "
            "saving crm.Note runs crm.receivers.index, as before"
        )
    ]


def test_a_receiver_of_what_was_always_sent_is_not_taken_for_something_newly_sent() -> None:
    before = graph_of(order(call(INVOICE)), unheard=[unheard("crm.Note")])
    after = graph_of(order(call(INVOICE, saved("crm.Note", call("crm.receivers.index")))))

    assert drift(before, after).new == [
        "saving crm.Note now runs crm.receivers.index (seen in test_checkout)"
    ]
    assert drift(after, before).lost == [
        "saving crm.Note no longer runs crm.receivers.index (sent 1 time)"
    ]


def test_that_a_receiver_loads_rows_is_nothing_to_review_and_who_hears_that_is() -> None:
    init = "django.db.models.signals.post_init"
    loaded = saved("crm.Note", call("crm.prepare"), signal=init)
    before = graph_of(order(call(INVOICE)), unheard=[unheard("crm.Note", init)])
    after = graph_of(order(call(INVOICE, loaded)))

    assert drift(before, after).new == [
        "making crm.Note now runs crm.prepare (seen in test_checkout)"
    ]
    assert drift(after, before).lost == ["making crm.Note no longer runs crm.prepare (sent 1 time)"]


def test_a_receiver_that_is_new_to_many_senders_is_one_line() -> None:
    senders = [f"shop.M{number}" for number in range(7)]
    before = graph_of(unheard=[unheard(each) for each in senders])
    after = graph_of(*(saved(each, call("audit.log")) for each in senders), name="test_x")

    assert drift(before, after).new == [
        "saving shop.M0, shop.M1, shop.M2 and 4 more now runs audit.log (seen in test_x)"
    ]


def test_a_test_is_named_for_what_is_newly_sent_if_it_is_the_one_that_saw_that() -> None:
    before = graph_of(order(call(INVOICE)), name="test_a")
    after = graph_of(order(call(INVOICE)), name="test_a")
    note = saved("crm.Note", call("crm.index"))
    add(after, order(call(INVOICE, note)), name="test_b")

    assert (
        drift(before, after)
        .new[0]
        .startswith(
            f"saving shop.Order runs {INVOICE} (seen in test_b), which now also saves crm.Note"
        )
    )


def test_what_is_sent_before_and_after_a_save_is_one_save_and_two_things_to_hear() -> None:
    nested = [
        saved("crm.Note", call("crm.check"), signal=PRE_SAVE),
        saved("crm.Note", call("crm.index")),
    ]
    before = graph_of(order())
    after = graph_of(order(call(TEXT, *nested)), name="test_x")

    assert drift(before, after).new == [
        (
            f"saving shop.Order now runs {TEXT} (seen in test_x), which saves crm.Note; saving "
            "crm.Note runs crm.index; saving crm.Note (pre_save) runs crm.check"
        )
    ]


def test_what_a_callback_sends_is_told_as_after_the_commit() -> None:
    note = saved("crm.Note", call("crm.index"), on_commit="shop.later", started_at=1.5)
    registered = OnCommit("shop.later", outcome="ran", ran_at=1.0, duration=1.0)
    before = graph_of(order())
    after = graph_of(order(call(TEXT, on_commit=[registered])), note, name="test_x")

    assert drift(before, after).new == [
        (
            f"saving shop.Order now runs {TEXT} (seen in test_x), which leaves shop.later to "
            "on_commit() and saves crm.Note after the commit; saving crm.Note runs crm.index"
        )
    ]


def test_what_leads_only_to_itself_is_told_all_the_same_and_ends() -> None:
    again = saved("crm.B", call("b.hear", saved("crm.A", call("a.hear"))))
    before = graph_of(order(call(INVOICE)))
    after = graph_of(order(call(INVOICE)))
    add(after, saved("crm.A", call("a.hear", again)), name="test_round")

    told = drift(before, after).new

    assert len(told) == 1
    assert told[0].startswith("saving crm.A now runs a.hear (seen in test_round), which saves")


def test_times_counts_tests_and_places_make_no_difference() -> None:
    before = graph_of(order(call(INVOICE, duration=0.1)), name="tests/a.py::test_a")
    after = graph_of(
        *(order(call(INVOICE, duration=5.0, own_time=4.0)),) * 3, name="tests/b.py::test_b"
    )

    assert drift(before, after) == Drift([], [], [])
    assert keep(before).to_text() == keep(after).to_text()


@pytest.mark.parametrize(
    "receiver",
    ["tests.shop.test_pay.test_it.<locals>.hear", "shop.tests.hear", "unittest.mock.Mock()"],
)
def test_receivers_of_tests_are_nothing_to_review(receiver: str) -> None:
    note = saved("crm.Note", call(receiver))
    after = graph_of(order(call(INVOICE, note), call(receiver)))

    assert drift(graph_of(order(call(INVOICE))), after) == Drift([], [], [])


def test_receivers_of_django_are_nothing_to_review_and_those_of_packages_are() -> None:
    login = sent(
        "django.contrib.auth.signals.user_logged_in",
        "auth.User",
        call("django.contrib.auth.models.update_last_login"),
    )
    after = graph_of(order(call(INVOICE), call("auditlog.receivers.log_create")), login)
    before = graph_of(order(call(INVOICE)))

    assert drift(before, after).new == [
        "saving shop.Order now runs auditlog.receivers.log_create (seen in test_checkout)"
    ]
    only = graph_drift.compare(keep(before, project_only=True), after)
    assert only == Drift([], [], [])


def test_what_a_person_reads_is_printable() -> None:
    after = graph_of(order(call("shop.\x1b[31mred")))

    assert drift(graph_of(order()), after).new == [
        "saving shop.Order now runs shop.\\x1b[31mred (seen in test_checkout)"
    ]


def test_the_file_has_a_line_an_edge_and_nothing_that_differs_from_run_to_run() -> None:
    graph = graph_of(
        order(call(TEXT, saved("crm.Note", call("crm.index")), writes=(SMS,))),
        unheard=[unheard("shop.Item"), unheard("shop.Customer")],
    )

    assert keep(graph).to_text() == (
        "{\n"
        '  "version": 1,\n'
        '  "project_only": false,\n'
        '  "edges": [\n'
        f'    {{"signal": "{SAVE}", "sender": "crm.Note", "receiver": "crm.index"}},\n'
        f'    {{"signal": "{SAVE}", "sender": "shop.Order", "receiver": "{TEXT}"}},\n'
        f'    {{"signal": "{SAVE}", "sender": "shop.Order", "receiver": "{TEXT}", '
        f'"does": "sends", "what": "{SAVE}", "by": "crm.Note"}},\n'
        f'    {{"signal": "{SAVE}", "sender": "shop.Order", "receiver": "{TEXT}", '
        '"does": "writes", "what": "INSERT notifications_sms"}\n'
        "  ],\n"
        '  "unheard": {\n'
        f'    "{SAVE}": ["shop.Customer", "shop.Item"]\n'
        "  }\n"
        "}\n"
    )


@pytest.mark.parametrize("project_only", [False, True])
def test_the_file_is_read_as_it_was_written(*, project_only: bool) -> None:
    graph = graph_of(order(call(TEXT, writes=(SMS,))), unheard=[unheard("shop.Item")])
    kept = keep(graph, project_only=project_only)

    assert graph_drift.load(kept.to_text()) == kept
    assert graph_drift.load(keep(SignalGraph()).to_text()) == KeptGraph(())


def test_a_whole_graph_is_read_where_a_kept_one_is() -> None:
    graph = graph_of(order(call(INVOICE)))

    assert graph_drift.load(graph.to_json()) == graph


def test_what_was_merged_by_hand_without_the_line_that_a_receiver_runs_has_that_line() -> None:
    graph = graph_of(order(call(INVOICE), call(TEXT, writes=(SMS,))))
    kept = keep(graph)
    data = json.loads(kept.to_text())
    effects = [each for each in data["edges"] if "does" in each]
    runs = [each for each in data["edges"] if each["receiver"] == INVOICE]
    # Of both sides of a conflict the same line was kept, and of both another was not.
    data["edges"] = [*effects, *effects, *runs]
    assert [each["what"] for each in effects] == ["INSERT notifications_sms"]

    merged = graph_drift.load(json.dumps(data))

    assert merged == kept
    silent = graph_of(order(call(INVOICE), call(TEXT)))
    [lost] = graph_drift.compare(merged, silent).lost
    assert lost == (
        "saving shop.Order runs notifications.receivers.text_customer (1 time), which no longer "
        "writes to notifications_sms"
    )


def no_edge(data: dict[str, object]) -> None:
    data["edges"] = ["x"]


def unknown_deed(data: dict[str, object]) -> None:
    data["edges"] = [{"signal": "a", "sender": "b", "receiver": "c", "does": "dances"}]


def newer(data: dict[str, object]) -> None:
    data["version"] = 2


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (no_edge, r"This kept graph is damaged \(edges\[0\]: expected .*, found 'x'\)\."),
        (unknown_deed, r"This kept graph is damaged \(edges\[0\]\.does: expected .*'dances'\)\."),
        (newer, r"This kept graph has version 2, and this signal_tracer reads version 1\."),
    ],
)
def test_a_damaged_file_is_refused_with_the_place(
    damage: Callable[[dict[str, object]], None], said: str
) -> None:
    data = json.loads(keep(graph_of(order(call(INVOICE)))).to_text())
    damage(data)

    with pytest.raises(SignalGraphFormatError, match=f"^{said}$"):
        graph_drift.load(json.dumps(data))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 1}', "[" * 100_000])
def test_what_is_neither_is_refused(text: str) -> None:
    with pytest.raises(SignalGraphFormatError):
        graph_drift.load(text)


few = st.sampled_from(["shop.a", "shop.b", "shop.c"])


def dispatches_of(calls: st.SearchStrategy[ReceiverCall]) -> st.SearchStrategy[Dispatch]:
    def made(sender: str, calls: list[ReceiverCall]) -> Dispatch:
        # Each name stands for one receiver of one sender.
        own = (replace(each, receiver=f"{sender} {each.receiver}") for each in calls)
        return saved(sender, *own)

    return st.builds(made, few, st.lists(calls, max_size=3))


def calls_of(dispatches: st.SearchStrategy[Dispatch]) -> st.SearchStrategy[ReceiverCall]:
    return st.builds(
        lambda receiver, dispatches, table: call(
            receiver, *dispatches, writes=(f"INSERT INTO {table} VALUES (1)",)
        ),
        few,
        st.lists(dispatches, max_size=2),
        st.sampled_from(["t", "u"]),
    )


graphs = st.lists(
    st.recursive(
        dispatches_of(st.builds(call, few)),
        lambda nested: dispatches_of(calls_of(nested)),
        max_leaves=8,
    ),
    max_size=4,
).map(lambda dispatches: graph_of(*dispatches))


@given(graphs)
def test_a_graph_differs_in_nothing_from_what_is_kept_of_it(graph: SignalGraph) -> None:
    assert drift(graph, graph) == Drift([], [], [])
    assert graph_drift.load(keep(graph).to_text()) == keep(graph)


@given(graphs, graphs)
def test_every_call_that_is_new_or_gone_is_told_once(one: SignalGraph, other: SignalGraph) -> None:
    told = drift(one, other)
    was, now = ({each.call for each in keep(graph).edges} for graph in (one, other))

    new, gone = "\n".join(told.new), "\n".join([*told.lost, *told.unseen])
    assert [new.count(each.receiver) for each in now - was] == [1] * len(now - was)
    assert [gone.count(each.receiver) for each in was - now] == [1] * len(was - now)
    assert bool(told.new) == bool(
        {*keep(other).edges} - {*keep(one).edges} - sent_to_nobody(one, other)
    )


def sent_to_nobody(one: SignalGraph, other: SignalGraph) -> set[graph_drift.Edge]:
    """What calls that ran before send to what nobody heard before."""
    nobody, calls = keep(one).sent_to_nobody(), {each.call for each in keep(one).edges}
    return {
        each
        for each in keep(other).edges
        if each.does == "sends" and each.call in calls and each.sent in nobody
    }
