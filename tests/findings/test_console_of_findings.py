"""The console on what receivers do besides sending, on what did not run, and on the findings."""

# ruff: noqa: E501  The expected texts are as wide as the console, with its × and │.

from __future__ import annotations

from dataclasses import replace

from telling import POST_SAVE, at, call, queries, saved, sent, traced
from test_console import shown

from signal_tracer.records import (
    Bypass,
    ConnectionChange,
    Error,
    HandledException,
    NearMiss,
    OnCommit,
    Query,
    Skipped,
    Unheard,
)
from signal_tracer.trace import Trace

INDEX_LINE = Skipped(
    POST_SAVE, "search.receivers.index_line", at(12, "search/receivers.py"), "search"
)
LOG = Skipped(POST_SAVE, "audit.receivers.log", at(3, "audit/receivers.py"))


def rolled_back_order() -> Trace:
    """An order in a transaction that was rolled back, with all that a receiver can do on the way."""
    index = call(
        "search.receivers.index_order",
        defined_at=at(9, "search/receivers.py"),
        duration=0.002,
        own_time=0.002,
        queries=queries("UPDATE search_entry SET words = %s", 6, duration=0.0002, is_write=True),
    )
    inside = {"in_atomic": ("default",), "rolled_back": ("default",)}
    relay = call(
        "shop.receivers.relay",
        defined_at=at(33, "shop/receivers.py", "relay"),
        duration=0.02,
        own_time=0.003,
        queries=[Query("SELECT 1", duration=0.0003)],
        dispatches=[saved("shop.Order(pk=42)", index, duration=0.004, **inside)],
        bypasses=[
            Bypass(
                "bulk_create",
                "shop.Line",
                50,
                ("ignore_conflicts",),
                at(41, "shop/imports.py", "load"),
                0.6,
                0.0021,
                [INDEX_LINE, LOG],
            )
        ],
    )
    mail = call(
        "notifications.receivers.mail",
        defined_at=at(14, "notifications/receivers.py", "mail"),
        duration=0.0041,
        own_time=0.0041,
        on_commit=[
            OnCommit(
                "notifications.receivers.mail.<locals>.<lambda>",
                "default",
                at(19, "notifications/receivers.py"),
                0.5,
                "discarded",
            )
        ],
        handled=[HandledException("builtins.KeyError", "'email'", at(20), at(22))] * 2,
    )
    placed = sent(
        relay,
        mail,
        duration=0.03,
        near_misses=[
            NearMiss(
                "shop.receivers.log", "connected_to_parent", at(77), connected_to="shop.Voucher"
            ),
            NearMiss("shop.receivers.muted", "muted", at(78)),
        ],
        **inside,
    )
    return traced(
        placed,
        duration=0.05,
        other_queries=3,
        bypasses=[
            Bypass(
                "update",
                "shop.Product",
                None,
                (),
                at(50, "shop/imports.py", "load"),
                0.9,
                0.001,
                [LOG],
            ),
            Bypass(
                "update",
                "shop.Product",
                None,
                (),
                at(50, "shop/imports.py", "load"),
                0.95,
                0.001,
                [LOG],
            ),
        ],
        unheard=[
            Unheard(POST_SAVE, "shop.Line", 9),
            Unheard(
                POST_SAVE,
                "shop.Discounted",
                2,
                (
                    NearMiss(
                        "search.receivers.index_product",
                        "connected_to_concrete",
                        at(15),
                        connected_to="shop.Product",
                    ),
                ),
            ),
        ],
        connection_changes=[
            *[
                ConnectionChange(
                    "connect", POST_SAVE, "shop.late", "shop.Order", None, at(3, "shop/urls.py")
                )
            ]
            * 2,
            ConnectionChange("disconnect", POST_SAVE, "shop.old", was_connected=True),
        ],
        ignore=(
            "connected-late",
            "left-disconnected",
            "swallowed-exception",
            "bulk-bypass",
            "near-miss:search.*",
        ),
    )


AT_80 = """\
test                                                                     50.0 ms
2 dispatches · 3 receiver calls · 10 queries · 2 handled exceptions
3 near misses · 3 bypasses · 2 rolled back · 1 callback discarded · 1 muted
11 unheard · 3 queries outside of receivers · 3 findings

! shop.signals.paid.send  sender=shop.Order  ROLLED BACK                 30.0 ms
  │  sent from shop/views.py:30 in pay · inside atomic()
  ├─ shop.receivers.relay                                                20.0 ms
  │  │  shop/receivers.py:33 · 1 query 300 µs · with nested 7 queries 1.50 ms
  │  │  own time 3.00 ms
! │  ├─ django.db.models.signals.post_save.send  sender=shop.Order       4.00 ms
  │  │  │     ROLLED BACK
  │  │  │  instance=shop.Order(pk=42)  created=False  raw=False  using='default'
  │  │  │  sent from shop/views.py:30 in pay · inside atomic()
  │  │  └─ search.receivers.index_order                                  2.00 ms
  │  │        search/receivers.py:9 · 6 queries 1.20 ms
! │  └─ shop.Line.bulk_create(ignore_conflicts=True)  50 rows  BYPASS    2.10 ms
  │     │  called from shop/imports.py:41 in load
! │     ├─ search.receivers.index_line  SKIPPED
  │     │     search/receivers.py:12 · dispatch_uid='search'
  │     │     waits for django.db.models.signals.post_save
! │     └─ audit.receivers.log  SKIPPED
  │           audit/receivers.py:3
  │           waits for django.db.models.signals.post_save
! ├─ notifications.receivers.mail  HANDLED                               4.10 ms
  │  │  notifications/receivers.py:14
  │  │  caught itself × 2: KeyError: 'email'
  │  │  raised at shop/receivers.py:20, caught at shop/receivers.py:22
! │  └─ on_commit notifications.receivers.mail.<locals>.<lambda>
  │           DISCARDED
  │        notifications/receivers.py:19 · its transaction was rolled back
! ├─ shop.receivers.log  NEAR MISS
  │     shop/receivers.py:77
  │     connected to shop.Voucher, a parent class of the sender
  └─ shop.receivers.muted  MUTED
        shop/receivers.py:78
! shop.Product.update() × 2  BYPASS                                      2.00 ms
  │  called from shop/imports.py:50 in load
! └─ audit.receivers.log × 2  SKIPPED
        audit/receivers.py:3 · waits for django.db.models.signals.post_save

  Findings: 1 error · 2 warnings
! error lost-on-rollback  shop/receivers.py:33 in relay
     shop.receivers.relay ran for shop.signals.paid from shop.Order inside
     atomic(), and that was rolled back on default. What it did elsewhere (mail,
     cache, another service) was not.
     Inside a transaction a receiver runs before anyone knows whether the rows
     will stay.
     → In shop.receivers.relay, leave such work to transaction.on_commit(). Or
       send the signal after the transaction: it was sent at shop/views.py:30.
! warning near-miss  shop/receivers.py:77 in index
     shop.receivers.log did not run for shop.signals.paid from shop.Order: it is
     connected to shop.Voucher, a parent class of it.
     Django compares the sender by identity: parents, children and proxies are
     other senders, and so are a class and its instance.
     → Connect shop.receivers.log (shop/receivers.py:77) with sender=shop.Order
       as well; or to all senders, asking issubclass(sender, Voucher) in it.
! warning query-in-loop  search/receivers.py:9 in index
     search.receivers.index_order ran the same query 6 times in one call: UPDATE
     search_entry SET words = %s
     Each costs a round trip to the database, and there are more with every row.
     → In search.receivers.index_order (search/receivers.py:9), collect what the
       loop changes and write it at once: bulk_create(), bulk_update() or
       update(), unless receivers wait for its rows.

  unheard: django.db.models.signals.post_save sender=shop.Discounted × 2
!             search.receivers.index_product  NEAR MISS
                 connected to shop.Product, which the sender is a proxy of
           django.db.models.signals.post_save sender=shop.Line × 9
  connected: shop.late to django.db.models.signals.post_save sender=shop.Order
               at shop/urls.py:3 × 2
  disconnected: shop.old from django.db.models.signals.post_save sender=None
  6 findings are hidden by SIGNAL_TRACER["IGNORE_FINDINGS"].
"""

AT_200 = """\
test                                                                                                                                 50.0 ms
2 dispatches · 3 receiver calls · 10 queries · 2 handled exceptions · 3 near misses · 3 bypasses · 2 rolled back · 1 callback discarded
1 muted · 11 unheard · 3 queries outside of receivers · 3 findings
                                                                               sent from / defined at              queries      own     time
! shop.signals.paid.send  sender=shop.Order  ROLLED BACK                       shop/views.py:30 in pay                               30.0 ms
  │  inside atomic()
  ├─ shop.receivers.relay                                                      shop/receivers.py:33            1 in 300 µs  3.00 ms  20.0 ms
  │  │  with nested 7 queries 1.50 ms
! │  ├─ django.db.models.signals.post_save.send  sender=shop.Order             shop/views.py:30 in pay                               4.00 ms
  │  │  │     ROLLED BACK
  │  │  │  instance=shop.Order(pk=42)  created=False  raw=False  using='default'
  │  │  │  inside atomic()
  │  │  └─ search.receivers.index_order                                        search/receivers.py:9          6 in 1.20 ms           2.00 ms
! │  └─ shop.Line.bulk_create(ignore_conflicts=True)  50 rows  BYPASS          shop/imports.py:41 in load                            2.10 ms
! │     ├─ search.receivers.index_line  SKIPPED                                search/receivers.py:12
  │     │     dispatch_uid='search' · waits for django.db.models.signals.post_save
! │     └─ audit.receivers.log  SKIPPED                                        audit/receivers.py:3
  │           waits for django.db.models.signals.post_save
! ├─ notifications.receivers.mail  HANDLED                                     notifications/receivers.py:14                         4.10 ms
  │  │  caught itself × 2: KeyError: 'email'
  │  │  raised at shop/receivers.py:20, caught at shop/receivers.py:22
! │  └─ on_commit notifications.receivers.mail.<locals>.<lambda>  DISCARDED    notifications/receivers.py:19
  │        its transaction was rolled back
! ├─ shop.receivers.log  NEAR MISS                                             shop/receivers.py:77
  │     connected to shop.Voucher, a parent class of the sender
  └─ shop.receivers.muted  MUTED                                               shop/receivers.py:78
! shop.Product.update() × 2  BYPASS                                            shop/imports.py:50 in load                            2.00 ms
! └─ audit.receivers.log × 2  SKIPPED                                          audit/receivers.py:3
        waits for django.db.models.signals.post_save

  Findings: 1 error · 2 warnings
! error lost-on-rollback  shop/receivers.py:33 in relay
     shop.receivers.relay ran for shop.signals.paid from shop.Order inside atomic(), and that was rolled back on default. What it did
     elsewhere (mail, cache, another service) was not.
     Inside a transaction a receiver runs before anyone knows whether the rows will stay.
     → In shop.receivers.relay, leave such work to transaction.on_commit(). Or send the signal after the transaction: it was sent at
       shop/views.py:30.
! warning near-miss  shop/receivers.py:77 in index
     shop.receivers.log did not run for shop.signals.paid from shop.Order: it is connected to shop.Voucher, a parent class of it.
     Django compares the sender by identity: parents, children and proxies are other senders, and so are a class and its instance.
     → Connect shop.receivers.log (shop/receivers.py:77) with sender=shop.Order as well; or to all senders, asking issubclass(sender,
       Voucher) in it.
! warning query-in-loop  search/receivers.py:9 in index
     search.receivers.index_order ran the same query 6 times in one call: UPDATE search_entry SET words = %s
     Each costs a round trip to the database, and there are more with every row.
     → In search.receivers.index_order (search/receivers.py:9), collect what the loop changes and write it at once: bulk_create(),
       bulk_update() or update(), unless receivers wait for its rows.

  unheard: django.db.models.signals.post_save sender=shop.Discounted × 2
!             search.receivers.index_product  NEAR MISS
                 connected to shop.Product, which the sender is a proxy of
           django.db.models.signals.post_save sender=shop.Line × 9
  connected: shop.late to django.db.models.signals.post_save sender=shop.Order at shop/urls.py:3 × 2
  disconnected: shop.old from django.db.models.signals.post_save sender=None
  6 findings are hidden by SIGNAL_TRACER["IGNORE_FINDINGS"].
"""


def test_what_a_receiver_did_and_what_did_not_run_at_80_columns() -> None:
    assert shown(rolled_back_order(), 80) == AT_80


def test_what_a_receiver_did_and_what_did_not_run_at_200_columns() -> None:
    assert shown(rolled_back_order(), 200) == AT_200


def tree(trace: Trace, width: int = 80) -> list[str]:
    """The lines between the header and the findings or notes."""
    return shown(trace, width).partition("\n\n")[2].partition("\n\n")[0].splitlines()


def test_a_callback_that_ran_has_its_time_and_what_it_sent_says_so() -> None:
    ran = OnCommit("shop.mail", defined_at=at(9), outcome="ran", ran_at=0.3, duration=0.002)
    failed = replace(ran, alias="logs", outcome="raised")
    waiting = OnCommit("shop.mail", outcome="waiting")
    trace = traced(
        sent(call(on_commit=[ran, failed, waiting]), sent_from=None),
        sent(call(), signal="shop.signals.mailed", on_commit="shop.mail", started_at=1.0),
    )

    assert tree(trace) == [
        "  shop.signals.paid.send  sender=shop.Order                                 0 µs",
        "  └─ shop.receivers.index                                                   0 µs",
        "     │  shop/receivers.py:7",
        "     ├─ on_commit shop.mail                                              2.00 ms",
        "     │     shop/receivers.py:9",
        "     │     ran after the commit, 300 ms after it was registered",
        "!    ├─ on_commit shop.mail  RAISED                                      2.00 ms",
        "     │     shop/receivers.py:9 · on logs",
        "     │     raised after the commit, 300 ms after it was registered",
        "     └─ on_commit shop.mail  WAITING",
        "           its transaction was still open",
        "  shop.signals.mailed.send  sender=shop.Order                               0 µs",
        "  │  sent from shop/views.py:30 in pay · by the on_commit() callback shop.mail",
        "  └─ shop.receivers.index                                                   0 µs",
        "        shop/receivers.py:7",
    ]


def test_other_databases_than_the_default_are_named() -> None:
    trace = traced(
        sent(in_atomic=("default", "logs"), rolled_back=("logs",)),
        sent(in_atomic=("logs",), rolled_back=("logs",)),
        sent(in_atomic=("default",)),
    )

    assert [line for line in tree(trace) if "sent from" in line] == [
        "     sent from shop/views.py:30 in pay · inside atomic() on default and logs",
        "     sent from shop/views.py:30 in pay · inside atomic() on logs",
        "     sent from shop/views.py:30 in pay · inside atomic()",
    ]
    assert "rolled back on logs" in tree(trace)[2]


def test_queries_are_told_for_all_calls_of_a_row_and_with_what_they_nest() -> None:
    def saving(own: int, nested: int) -> object:
        inner = sent(call("b", queries=queries("SELECT 1", nested, duration=0.001)))
        return sent(call("a", queries=queries("SELECT 2", own, duration=0.001), dispatches=[inner]))

    assert [
        line.strip(" │") for line in tree(traced(saving(1, 2), saving(3, 0))) if "quer" in line
    ] == [
        "shop/receivers.py:7 · 4 queries 4.00 ms · with nested 6 queries 6.00 ms",
        "shop/receivers.py:7 · 2 queries 2.00 ms",
    ]
    assert "with nested 1 query 1.00 ms" in tree(traced(saving(0, 1)))[3]


def test_what_was_not_kept_of_a_call_is_counted() -> None:
    caught = HandledException("builtins.KeyError", "email", at(20), at(22))
    full = call(
        queries=queries("SELECT 1", 2, duration=0.001),
        omitted_queries=3,
        handled=[caught],
        omitted_handled=7,
    )

    assert tree(traced(sent(full), sent(full)))[-5:] == [
        "! └─ shop.receivers.index × 2  HANDLED                                      0 µs",
        "        shop/receivers.py:7 · 10 queries 4.00 ms · 6 queries not timed",
        "        caught itself: KeyError: email",
        "        raised at shop/receivers.py:20, caught at shop/receivers.py:22",
        "        caught itself: 7 more, not kept",
    ]


def test_a_row_that_stands_for_several_bypasses_has_the_rows_of_all() -> None:
    bypass = Bypass("update", "shop.Product", 20, skipped=[LOG], duration=0.001)
    trace = traced(bypasses=[bypass, replace(bypass, rows=5)])

    assert tree(trace)[0] == (
        "! shop.Product.update() × 2  25 rows  BYPASS                             2.00 ms"
    )


def test_a_trace_of_which_all_findings_are_hidden_says_how_many() -> None:
    trace = traced(
        *[sent(call(outcome="swallowed", error=Error(f"a.E{n}", "no"))) for n in range(2)],
        ignore=("swallowed-exception",),
    )

    assert shown(trace).splitlines()[1] == "2 dispatches · 2 receiver calls · 2 swallowed"
    assert shown(trace).endswith(
        '\n\n  2 findings are hidden by SIGNAL_TRACER["IGNORE_FINDINGS"].\n'
    )


def test_the_findings_do_not_stand_apart_from_colour_alone() -> None:
    lines = shown(traced(*[saved("shop.Order(pk=3)")] * 2)).splitlines()

    assert "  Findings: 1 warning" in lines
    assert "! warning repeated-save  shop/views.py:30 in pay" in lines


def test_a_connection_that_is_a_finding_is_not_told_twice() -> None:
    late = ConnectionChange("connect", "shop.paid", "shop.late")
    ended = [
        ConnectionChange("connect", "shop.paid", "shop.r", called_from=at(3)),
        ConnectionChange("disconnect", "shop.paid", "shop.r", was_connected=True),
    ]
    lines = shown(traced(sent(call()), connection_changes=[late, *ended])).splitlines()

    assert lines[-3:] == [
        "",
        "  connected: shop.r to shop.paid sender=None at shop/receivers.py:3",
        "  disconnected: shop.r from shop.paid sender=None",
    ]


def test_connection_changes_beyond_the_first_are_counted() -> None:
    changes = [
        ConnectionChange("connect", "shop.paid", f"shop.r{number}", was_connected=None)
        for number in range(8)
    ]
    lines = shown(traced(connection_changes=changes, ignore=("connected-late",))).splitlines()

    assert lines[-7:-1] == [
        "  connected: shop.r0 to shop.paid sender=None",
        "             shop.r1 to shop.paid sender=None",
        "             shop.r2 to shop.paid sender=None",
        "             shop.r3 to shop.paid sender=None",
        "             shop.r4 to shop.paid sender=None",
        "             and 3 more",
    ]


def test_the_same_advice_for_findings_in_a_row_is_given_once() -> None:
    async_ones = [
        call(f"shop.{name}", defined_at=at(line), is_async=True)
        for name, line in (("index", 7), ("log", 9))
    ]

    assert shown(traced(sent(*async_ones))).splitlines()[-10:] == [
        "  Findings: 2 info",
        "  info async-bridge  shop/views.py:30 in pay",
        "     shop.index is async, and shop.signals.paid was sent with send().",
        "  info async-bridge  shop/views.py:30 in pay",
        "     shop.log is async, and shop.signals.paid was sent with send().",
        "     The thread waits while it runs in an event loop: in that of the async code",
        "     outside, where sync_to_async() led here (asave(), a sync view under ASGI),",
        "     else in one that is started for each such dispatch.",
        "     → From async code, await asend() at shop/views.py:30. Otherwise make the",
        "       receiver a plain function.",
    ]
