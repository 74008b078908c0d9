"""What did not run: bypassed receivers, near misses, connections that came late."""

# ruff: noqa: E501  The expected messages are as long as they are.

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from telling import POST_SAVE, at, call, saved, sent, told, traced

from signal_tracer.records import Bypass, ConnectionChange, NearMiss, Reason, Skipped, Unheard

INDEX = Skipped(POST_SAVE, "search.receivers.index", at(12, "search/receivers.py"))
LOG = Skipped("django.db.models.signals.pre_save", "audit.receivers.log")
IMPORT = Bypass(
    "bulk_create",
    "shop.Product",
    50,
    sent_from=at(41, "shop/imports.py", "load"),
    skipped=[INDEX],
)


def test_a_bulk_operation_that_went_past_receivers_is_told_with_its_rows_and_its_line() -> None:
    trace = traced(bypasses=[IMPORT])
    [finding] = trace.findings()

    assert told(trace) == [
        (
            "warning bulk-bypass: shop.Product.bulk_create() changed 50 rows without sending "
            "post_save, so search.receivers.index did not run."
        )
    ]
    assert finding.location == at(41, "shop/imports.py", "load")
    assert finding.record is IMPORT
    assert finding.names == ("shop.Product", "search.receivers.index")
    assert finding.advice == (
        "After shop/imports.py:41, do once for all rows what search.receivers.index would have "
        "done for each; a function that takes many objects serves both. Or save() each object, "
        "if there are few."
    )


def test_a_bypass_in_a_receiver_names_all_who_did_not_run() -> None:
    bypass = replace(
        IMPORT, rows=None, method="_raw_delete", options=(), skipped=[INDEX, LOG, INDEX]
    )
    trace = traced(sent(call(bypasses=[bypass])))
    [finding] = trace.findings()

    assert told(trace) == [
        (
            "warning bulk-bypass: shop.Product._raw_delete() changed rows without sending post_save "
            "and pre_save, so search.receivers.index and audit.receivers.log did not run."
        )
    ]
    assert finding.record is bypass
    assert "Or delete() each object" in finding.advice


def test_equal_bypasses_are_one_finding_with_the_rows_of_all() -> None:
    ignoring = replace(IMPORT, options=("ignore_conflicts",))
    unknown = replace(IMPORT, rows=None)

    assert told(traced(bypasses=[IMPORT, replace(IMPORT, rows=1), ignoring])) == [
        (
            "warning bulk-bypass: shop.Product.bulk_create() changed 51 rows without sending "
            "post_save, so search.receivers.index did not run. x 2"
        ),
        (
            "warning bulk-bypass: shop.Product.bulk_create(ignore_conflicts=True) changed 50 rows "
            "without sending post_save, so search.receivers.index did not run."
        ),
    ]
    assert told(traced(bypasses=[replace(IMPORT, rows=1), unknown])) == [
        (
            "warning bulk-bypass: shop.Product.bulk_create() changed at least 1 row without sending "
            "post_save, so search.receivers.index did not run. x 2"
        ),
    ]


@pytest.mark.parametrize(
    "bypass",
    [replace(IMPORT, rows=0), replace(IMPORT, skipped=[])],
    ids=["no row", "no receiver"],
)
def test_a_bulk_operation_that_left_nothing_out_of_step_is_not_told(bypass: Bypass) -> None:
    assert told(traced(bypasses=[bypass])) == []


@pytest.mark.parametrize(
    ("changes", "is_told"),
    [
        ({}, False),
        ({"called": "row.save"}, True),  # Other rows are saved.
        ({"started_at": 0.5}, True),  # Before there was anything to tell of.
        ({"sender": "shop.Order"}, True),
    ],
)
def test_a_receiver_that_a_helper_sent_the_rows_to_by_hand_did_run(
    changes: dict[str, Any], is_told: bool
) -> None:
    bulk = replace(IMPORT, started_at=1.0, skipped=[Skipped(POST_SAVE, "search.receivers.index")])
    index = call("search.receivers.index", defined_at=None)
    helper = at(70, "shop/imports.py", "tell_all")
    by_hand = {"sent_from": helper, "called": "post_save.send", "started_at": 2.0, **changes}
    row = saved("shop.Product(pk=1)", index, **by_hand)

    assert bool(told(traced(row, bypasses=[bulk]))) is is_told
    # It was the rows of the operation before.
    later = replace(bulk, started_at=3.0)
    assert len(traced(row, bypasses=[bulk, later]).findings()) == 1


# Near misses


def missed(reason: Reason, connected_to: str | None) -> NearMiss:
    return NearMiss("shop.receivers.index", reason, at(7), connected_to=connected_to)


@pytest.mark.parametrize(
    ("reason", "sender", "connected_to", "message", "advice"),
    [
        (
            "connected_to_parent",
            "shop.Voucher",
            "shop.Product",
            "it is connected to shop.Product, a parent class of it.",
            (
                "Connect shop.receivers.index (shop/receivers.py:7) with sender=shop.Voucher as well; "
                "or to all senders, asking issubclass(sender, Product) in it."
            ),
        ),
        (
            "connected_to_proxy",
            "shop.Product",
            "shop.Discounted",
            "it is connected to the proxy shop.Discounted.",
            (
                "Connect shop.receivers.index (shop/receivers.py:7) with sender=shop.Product as well: "
                "a row of Product is never saved as Discounted, unless your code does so."
            ),
        ),
        (
            "connected_to_concrete",
            "the proxy shop.Discounted",
            "shop.Product",
            "it is connected to shop.Product.",
            (
                "Connect shop.receivers.index (shop/receivers.py:7) with sender=shop.Discounted as "
                "well, one @receiver line for each; or save the row as a Product."
            ),
        ),
        (
            "connected_to_class",
            "the instance shop.Order(pk=3)",
            "shop.Order",
            "it is connected to the class shop.Order.",
            "Send the class, and the instance as a keyword argument: sender=Order, instance=...",
        ),
        (
            "connected_to_instance",
            "the class shop.Order",
            "shop.Order(pk=3)",
            "it is connected to the instance shop.Order(pk=3).",
            (
                "Connect shop.receivers.index (shop/receivers.py:7) with sender=shop.Order, and tell "
                "instances apart in it by a keyword argument."
            ),
        ),
        (
            "connected_to_model",
            "shop.Order_tags",
            "shop.Order",
            "it is connected to the model shop.Order, which never sends it.",
            (
                "Connect shop.receivers.index (shop/receivers.py:7) with the table between the two "
                "models: sender=Order.<field>.through."
            ),
        ),
    ],
)
def test_a_near_miss_is_told_with_its_reason_and_its_remedy(
    reason: Reason, sender: str, connected_to: str, message: str, advice: str
) -> None:
    dispatch = sent(
        call("shop.receivers.other", defined_at=at(20)),
        sender=sender.rpartition(" ")[2],
        near_misses=[missed(reason, connected_to)],
    )
    trace = traced(dispatch, dispatch)
    [finding] = trace.findings()

    assert told(trace) == [
        (
            "warning near-miss: shop.receivers.index did not run for shop.signals.paid from "
            f"{sender}: {message} x 2"
        )
    ]
    assert finding.advice == advice
    assert finding.location == at(7)
    assert finding.record is dispatch


def test_a_near_miss_of_what_nobody_heard_counts_each_time_it_was_sent() -> None:
    unheard = Unheard(
        POST_SAVE, "shop.Discounted", 12, (missed("connected_to_concrete", "shop.Product"),)
    )
    trace = traced(unheard=[unheard])
    [finding] = trace.findings()

    assert told(trace) == [
        (
            "warning near-miss: shop.receivers.index did not run for "
            "django.db.models.signals.post_save from the proxy shop.Discounted: it is connected to "
            "shop.Product. x 12"
        )
    ]
    assert finding.names == ("shop.receivers.index", POST_SAVE, "shop.Discounted")
    assert finding.record is None


def test_a_receiver_of_djangos_own_is_nobodys_near_miss_or_late_connection() -> None:
    of_a_field = "django.db.models.fields.files.ImageField.update_dimension_fields"
    miss = NearMiss(of_a_field, "connected_to_parent", connected_to="shop.Product")

    assert told(traced(sent(near_misses=[miss]))) == []
    assert told(traced(unheard=[Unheard(POST_SAVE, "shop.Voucher", 3, (miss,))])) == []
    assert told(traced(connection_changes=[connect(receiver=of_a_field)])) == []


def test_the_receiver_of_a_child_is_nobodys_near_miss_for_a_row_of_the_parent() -> None:
    assert told(traced(sent(near_misses=[missed("connected_to_child", "shop.Voucher")]))) == []


@pytest.mark.parametrize("reason", ["not_run", "muted"])
def test_a_receiver_that_an_exception_or_a_test_kept_from_running_is_no_near_miss(
    reason: Reason,
) -> None:
    assert told(traced(sent(near_misses=[missed(reason, None)]))) == []
    assert told(traced(unheard=[Unheard("s", "shop.Order", 1, (missed(reason, None),))])) == []


def test_a_receiver_that_is_connected_to_both_and_ran_is_no_near_miss() -> None:
    proxy = sent(call(), near_misses=[missed("connected_to_concrete", "shop.Product")])

    assert told(traced(proxy)) == []


# Connections


def connect(**changes: object) -> ConnectionChange:
    made = ConnectionChange(
        "connect",
        POST_SAVE,
        "shop.receivers.index",
        "shop.Product",
        called_from=at(15, "shop/views.py", "show"),
    )
    return replace(made, **changes)


def test_a_receiver_that_was_connected_late_is_told_with_the_line_that_did_it() -> None:
    change = connect()
    trace = traced(connection_changes=[change, connect(started_at=2.0)])
    [finding] = trace.findings()

    assert told(trace) == [
        (
            "warning connected-late: shop.receivers.index was connected to "
            "django.db.models.signals.post_save at shop/views.py:15, while the trace ran. x 2"
        )
    ]
    assert finding.location == at(15, "shop/views.py", "show")
    assert finding.record is change
    assert finding.advice == (
        "Connect it at start-up, in a module that AppConfig.ready() imports, with a dispatch_uid: "
        "connect() at shop/views.py:15 may run again, and connect it again."
    )


def test_a_disconnect_that_found_nothing_is_told() -> None:
    change = connect(action="disconnect", was_connected=False)
    unnamed = replace(change, receiver="None", dispatch_uid="shop.index")

    assert told(traced(connection_changes=[change, unnamed])) == [
        (
            "warning nothing-disconnected: disconnect() of shop.receivers.index from "
            "django.db.models.signals.post_save at shop/views.py:15 returned False: nothing was "
            "connected so."
        ),
        (
            "warning nothing-disconnected: disconnect() of dispatch_uid='shop.index' from "
            "django.db.models.signals.post_save at shop/views.py:15 returned False: nothing was "
            "connected so."
        ),
    ]


@pytest.mark.parametrize(
    ("connected", "disconnected"),
    [
        ({}, {}),
        ({"dispatch_uid": "index"}, {"dispatch_uid": "index", "receiver": "None"}),
    ],
    ids=["by receiver", "by dispatch_uid"],
)
def test_a_connection_for_a_while_is_not_late(
    connected: dict[str, object], disconnected: dict[str, object]
) -> None:
    back = connect(action="disconnect", was_connected=True, **disconnected)

    assert told(traced(connection_changes=[connect(**connected), back])) == []
    # Nor is one that is there again, as it was: meanwhile it was missing, which is said.
    [again] = traced(connection_changes=[back, connect(**connected)]).findings()
    assert (again.level, again.slug) == ("info", "disconnected-for-a-while")


@pytest.mark.parametrize(
    "other",
    [
        {"was_connected": False},
        {"signal": "shop.signals.paid"},
        {"sender": "None"},
        {"receiver": "shop.receivers.other"},
        {"dispatch_uid": "other"},
    ],
)
def test_the_end_of_another_connection_does_not_end_this_one(other: dict[str, object]) -> None:
    back = connect(action="disconnect", **{"was_connected": True, **other})
    lines = told(traced(connection_changes=[connect(), back]))

    assert "was connected to" in lines[0]
