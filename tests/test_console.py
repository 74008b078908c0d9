"""The console: whole texts at the widths people have, and what must never reach a terminal."""

# ruff: noqa: E501  The expected texts are as wide as the console, with its × and │.

from __future__ import annotations

import io
import re
import sys
from collections import Counter
from datetime import UTC, datetime

import pytest
from rich.console import Console
from rich.text import Text

from signal_tracer.records import (
    Bypass,
    ConnectionChange,
    Contents,
    Dispatch,
    Error,
    HandledException,
    Location,
    NearMiss,
    OnCommit,
    Query,
    ReceiverCall,
    Request,
    Skipped,
    Summary,
    TracebackLine,
    Unheard,
    Unwatched,
)
from signal_tracer.showing.console import render_trace, report
from signal_tracer.showing.console.layout import broken
from signal_tracer.trace import Trace

INSTALLED = "/srv/venv/lib/python3.13/site-packages/"


def traced(*dispatches: Dispatch, name: str = "nightly", **contents: object) -> Trace:
    return Trace(
        name,
        started_at=datetime(2025, 1, 1, tzinfo=UTC),
        contents=Contents(dispatches=list(dispatches), **contents),
    )


def shown(trace: Trace, width: int = 80, *, brief: bool | None = None) -> str:
    # Without the environment: FORCE_COLOR and COLUMNS of whoever runs the tests do not count.
    console = Console(file=io.StringIO(), width=width, _environ={})
    console.print(render_trace(trace, brief=brief))
    return console.file.getvalue()


def checkout() -> Trace:
    """Three dispatches deep, with all that can go wrong on the way."""
    saves = [
        Dispatch(
            "django.db.models.signals.post_save",
            "shop.OrderLine",
            kwargs={
                "instance": Summary(f"shop.OrderLine(pk={pk})"),
                "created": True,
                "update_fields": None,
                "raw": False,
                "using": "default",
            },
            sent_from=Location("shop/checkout.py", 41, "add_lines"),
            started_at=0.002 + pk / 1000,
            duration=0.0003,
            receiver_calls=[
                ReceiverCall(
                    "search.receivers.index_line",
                    Location("search/receivers.py", 12, "index_line"),
                    "search-index",
                    duration=0.00025,
                    own_time=0.00025,
                    response=pk,
                )
            ],
        )
        for pk in range(1, 21)
    ]
    no_address = Error(
        "notifications.mail.NoAddress",
        "customer 7 has no e-mail address: fill in Customer.email first",
        (
            TracebackLine(
                Location("notifications/receivers.py", 37, "send_receipt"),
                "    mail.send(order.customer)",
            ),
            TracebackLine(
                Location("notifications/mail.py", 12, "send"), "    raise NoAddress(customer)"
            ),
            TracebackLine(
                Location(f"{INSTALLED}tenacity/__init__.py", 400, "retry"), "    raise error"
            ),
        ),
    )
    parcel_prepared = Dispatch(
        "delivery.signals.parcel_prepared",
        "delivery.Parcel",
        "send_robust",
        {"parcel": Summary("delivery.Parcel(pk=19)"), "carrier": "DHL"},
        Location("delivery/receivers.py", 27, "prepare_parcel"),
        duration=0.025,
        receiver_calls=[
            ReceiverCall(
                "notifications.receivers.send_receipt",
                Location("notifications/receivers.py", 33, "send_receipt"),
                "receipt",
                duration=0.0042,
                own_time=0.0042,
                outcome="swallowed",
                error=no_address,
            ),
            ReceiverCall(
                "notifications.receivers.push_to_phone",
                Location("notifications/receivers.py", 60, "push_to_phone"),
                is_async=True,
                duration=0.0181,
                own_time=0.0181,
                response=Summary("notifications.Push(pk=3)"),
            ),
        ],
    )
    stock_reserved = Dispatch(
        "warehouse.signals.stock_reserved",
        "warehouse.Stock",
        kwargs={"order": Summary("shop.Order(pk=42)"), "token": Summary("[redacted]")},
        sent_from=Location("warehouse/receivers.py", 18, "reserve"),
        duration=0.029,
        receiver_calls=[
            ReceiverCall(
                "delivery.receivers.prepare_parcel",
                Location("delivery/receivers.py", 21, "prepare_parcel"),
                duration=0.0271,
                own_time=0.0021,
                response=19,
                dispatches=[parcel_prepared],
            )
        ],
    )
    bad_amount = Error(
        "decimal.InvalidOperation",
        "[<class 'decimal.ConversionSyntax'>]",
        (TracebackLine(Location("billing/amounts.py", 8, "to_cents"), "return Decimal(text)"),),
    )
    order_paid = Dispatch(
        "shop.signals.order_paid",
        "shop.Order",
        kwargs={
            "order": Summary("shop.Order(pk=42)"),
            "amount": "99,00",
            "card_number": Summary("[redacted]"),
            "request": Summary("POST /checkout/"),
        },
        sent_from=Location("shop/views.py", 88, "CheckoutView.post"),
        duration=0.0478,
        error=bad_amount,
        receiver_calls=[
            ReceiverCall(
                "warehouse.receivers.reserve",
                Location("warehouse/receivers.py", 9, "reserve"),
                duration=0.0312,
                own_time=0.0022,
                dispatches=[stock_reserved],
            ),
            ReceiverCall(
                "billing.receivers.StripeGatewayReceiver.charge_the_customer_for_the_whole_order",
                Location(
                    "billing/integrations/stripe/receivers/order_receivers.py",
                    148,
                    "StripeGatewayReceiver.charge_the_customer_for_the_whole_order",
                ),
                duration=0.0003,
                own_time=0.0003,
                outcome="raised",
                error=bad_amount,
            ),
        ],
        near_misses=[
            NearMiss(
                "newsletter.receivers.subscribe_customer",
                "not_run",
                Location("newsletter/receivers.py", 14, "subscribe_customer"),
            )
        ],
    )
    return Trace(
        "POST /checkout/",
        started_at=datetime(2025, 1, 1, tzinfo=UTC),
        request=Request("POST", "/checkout/", 500),
        contents=Contents(
            dispatches=[*saves, order_paid],
            unheard=[
                Unheard("django.db.models.signals.pre_save", "shop.OrderLine", 20),
                Unheard("django.db.models.signals.post_init", "shop.OrderLine", 40),
                *(Unheard("django.db.models.signals.pre_init", f"shop.M{n}", n) for n in (1, 2)),
                Unheard("django.core.signals.request_started", "a.Handler", 3),
                Unheard("django.core.signals.request_finished", "a.Handler", 1),
            ],
            omitted=7,
            too_deep=1,
            excluded=4,
            unwatched=[Unwatched("plugins.signals.PluginSignal", "send_chained", 2)],
            faults=1,
            duration=0.0713,
        ),
    )


CHECKOUT_80 = """\
POST /checkout/  500                                                     71.3 ms
23 dispatches · 25 receiver calls · 1 swallowed · 1 raised · 1 slow · 1 not run
67 unheard · 4 findings

  django.db.models.signals.post_save.send × 20  sender=shop.OrderLine    6.00 ms
  │  first of 20:  instance=shop.OrderLine(pk=1)  created=True
  │  update_fields=None  raw=False  using='default'
  │  sent from shop/checkout.py:41 in add_lines
  └─ search.receivers.index_line × 20                                    5.00 ms
        search/receivers.py:12 · dispatch_uid='search-index'
        the first returned 1
! shop.signals.order_paid.send  sender=shop.Order  RAISED                47.8 ms
  │  order=shop.Order(pk=42)  amount='99,00'  card_number=[redacted]
  │  request=POST /checkout/
  │  sent from shop/views.py:88 in CheckoutView.post
  ├─ warehouse.receivers.reserve                                         31.2 ms
  │  │  warehouse/receivers.py:9 · own time 2.20 ms
  │  └─ warehouse.signals.stock_reserved.send  sender=warehouse.Stock    29.0 ms
  │     │  order=shop.Order(pk=42)  token=[redacted]
  │     │  sent from warehouse/receivers.py:18 in reserve
  │     └─ delivery.receivers.prepare_parcel                             27.1 ms
  │        │  delivery/receivers.py:21 · own time 2.10 ms · returned 19
  │        └─ delivery.signals.parcel_prepared.send_robust               25.0 ms
  │           │     sender=delivery.Parcel
  │           │  parcel=delivery.Parcel(pk=19)  carrier='DHL'
  │           │  sent from delivery/receivers.py:27 in prepare_parcel
! │           ├─ notifications.receivers.send_receipt  SWALLOWED         4.20 ms
  │           │     notifications/receivers.py:33 · dispatch_uid='receipt'
  │           │     NoAddress: customer 7 has no e-mail address: fill in
  │           │     Customer.email first
  │           │     at notifications/mail.py:12 in send:
  │           │     raise NoAddress(customer)
! │           └─ notifications.receivers.push_to_phone  SLOW ASYNC       18.1 ms
  │                 notifications/receivers.py:60
  │                 returned notifications.Push(pk=3)
! ├─ billing.receivers.StripeGatewayReceiver.                             300 µs
  │        charge_the_customer_for_the_whole_order  RAISED
  │     billing/integrations/stripe/receivers/order_receivers.py:148
  │     InvalidOperation: [<class 'decimal.ConversionSyntax'>]
  │     at billing/amounts.py:8 in to_cents: return Decimal(text)
! └─ newsletter.receivers.subscribe_customer  NOT RUN
        newsletter/receivers.py:14 · an earlier receiver raised

  Findings: 2 errors · 1 warning · 1 info
! error swallowed-exception  notifications/mail.py:12 in send
     notifications.receivers.send_receipt raised NoAddress: customer 7 has no
     e-mail address: fill in Customer.email first, and send_robust() swallowed
     it.
     The sender goes on as if the receiver had done its work, and only the log
     knows better.
     → Handle in notifications.receivers.send_receipt what can fail at
       notifications/mail.py:12, and retry what must not be lost in a task
       (Celery, Django's tasks). Or let the sender look through what
       send_robust() returns.
! error left-half-done  billing/amounts.py:8 in to_cents
     billing.receivers.StripeGatewayReceiver.
     charge_the_customer_for_the_whole_order raised, and ended
     shop.signals.order_paid from shop.Order (InvalidOperation: [<class
     'decimal.ConversionSyntax'>]): what receivers did before stays, and the
     rest did not happen. Not run because of it:
     newsletter.receivers.subscribe_customer.
     send() lets an exception through at once, past the receivers after it, to
     save() and to whoever called it. Outside of atomic() nothing takes back
     what was done until then.
     → Handle in billing.receivers.StripeGatewayReceiver.
       charge_the_customer_for_the_whole_order what can fail at
       billing/amounts.py:8, or send with send_robust() and look through what it
       returns. To keep all or nothing, send within transaction.atomic() at
       shop/views.py:88.
! warning slow-receiver  notifications/receivers.py:60 in push_to_phone
     notifications.receivers.push_to_phone took 18.1 ms of its own; the limit is
     10.0 ms.
     Whoever sent the signal waited for it.
     → Leave the slow part of notifications.receivers.push_to_phone
       (notifications/receivers.py:60) to a task (Celery, Django's tasks) that
       transaction.on_commit() starts.
  info async-bridge  delivery/receivers.py:27 in prepare_parcel
     notifications.receivers.push_to_phone is async, and
     delivery.signals.parcel_prepared was sent with send_robust().
     The thread waits while it runs in an event loop: in that of the async code
     outside, where sync_to_async() led here (asave(), a sync view under ASGI),
     else in one that is started for each such dispatch.
     → From async code, await asend_robust() at delivery/receivers.py:27.
       Otherwise make the receiver a plain function.

  unheard: django.db.models.signals.pre_save sender=shop.OrderLine × 20
           django.core.signals.request_started sender=a.Handler × 3
           django.core.signals.request_finished sender=a.Handler × 1
           pre_init and post_init of 3 senders, 43 dispatches
! plugins.signals.PluginSignal.send_chained ran receivers 2 times. They are not
  in this trace: it is a method of the signal's own class, not one of Django's.
  4 dispatches were left out by patterns in SIGNAL_TRACER["EXCLUDE_SIGNALS"].
  Change them to see what they hide.
! 7 dispatches were sent and not kept, because the trace was full. To keep more,
  raise SIGNAL_TRACER["MAX_DISPATCHES"]; to keep fewer of no interest, name
  their signals in SIGNAL_TRACER["EXCLUDE_SIGNALS"].
! 1 dispatch was sent and not kept, being nested more than 100 deep. Does a
  receiver send the signal that it receives?
! The tracer itself failed 1 time, so something may be missing here. The traced
  code was not affected. Please report what the logger "signal_tracer" says
  about it.
"""

CHECKOUT_160 = """\
POST /checkout/  500                                                                                                   71.3 ms
23 dispatches · 25 receiver calls · 1 swallowed · 1 raised · 1 slow · 1 not run · 67 unheard · 4 findings
                                                                       sent from / defined at                     own     time
  django.db.models.signals.post_save.send × 20  sender=shop.OrderLine  shop/checkout.py:41 in add_lines                6.00 ms
  │  first of 20:  instance=shop.OrderLine(pk=1)  created=True  update_fields=None  raw=False  using='default'
  └─ search.receivers.index_line × 20                                  search/receivers.py:12                          5.00 ms
        dispatch_uid='search-index' · the first returned 1
! shop.signals.order_paid.send  sender=shop.Order  RAISED              shop/views.py:88 in CheckoutView.post           47.8 ms
  │  order=shop.Order(pk=42)  amount='99,00'  card_number=[redacted]  request=POST /checkout/
  ├─ warehouse.receivers.reserve                                       warehouse/receivers.py:9               2.20 ms  31.2 ms
  │  └─ warehouse.signals.stock_reserved.send  sender=warehouse.Stock  warehouse/receivers.py:18 in reserve            29.0 ms
  │     │  order=shop.Order(pk=42)  token=[redacted]
  │     └─ delivery.receivers.prepare_parcel                           delivery/receivers.py:21               2.10 ms  27.1 ms
  │        │  returned 19
  │        └─ delivery.signals.parcel_prepared.send_robust  sender=delivery.Parcel                                     25.0 ms
  │           │  parcel=delivery.Parcel(pk=19)  carrier='DHL'
  │           │  sent from delivery/receivers.py:27 in prepare_parcel
! │           ├─ notifications.receivers.send_receipt  SWALLOWED       notifications/receivers.py:33                   4.20 ms
  │           │     dispatch_uid='receipt'
  │           │     NoAddress: customer 7 has no e-mail address: fill in Customer.email first
  │           │     at notifications/mail.py:12 in send: raise NoAddress(customer)
! │           └─ notifications.receivers.push_to_phone  SLOW ASYNC     notifications/receivers.py:60                   18.1 ms
  │                 returned notifications.Push(pk=3)
! ├─ billing.receivers.StripeGatewayReceiver.charge_the_customer_for_the_whole_order  RAISED                            300 µs
  │     billing/integrations/stripe/receivers/order_receivers.py:148
  │     InvalidOperation: [<class 'decimal.ConversionSyntax'>]
  │     at billing/amounts.py:8 in to_cents: return Decimal(text)
! └─ newsletter.receivers.subscribe_customer  NOT RUN                  newsletter/receivers.py:14
        an earlier receiver raised

  Findings: 2 errors · 1 warning · 1 info
! error swallowed-exception  notifications/mail.py:12 in send
     notifications.receivers.send_receipt raised NoAddress: customer 7 has no e-mail address: fill in Customer.email first,
     and send_robust() swallowed it.
     The sender goes on as if the receiver had done its work, and only the log knows better.
     → Handle in notifications.receivers.send_receipt what can fail at notifications/mail.py:12, and retry what must not be
       lost in a task (Celery, Django's tasks). Or let the sender look through what send_robust() returns.
! error left-half-done  billing/amounts.py:8 in to_cents
     billing.receivers.StripeGatewayReceiver.charge_the_customer_for_the_whole_order raised, and ended shop.signals.order_paid
     from shop.Order (InvalidOperation: [<class 'decimal.ConversionSyntax'>]): what receivers did before stays, and the rest
     did not happen. Not run because of it: newsletter.receivers.subscribe_customer.
     send() lets an exception through at once, past the receivers after it, to save() and to whoever called it. Outside of
     atomic() nothing takes back what was done until then.
     → Handle in billing.receivers.StripeGatewayReceiver.charge_the_customer_for_the_whole_order what can fail at
       billing/amounts.py:8, or send with send_robust() and look through what it returns. To keep all or nothing, send within
       transaction.atomic() at shop/views.py:88.
! warning slow-receiver  notifications/receivers.py:60 in push_to_phone
     notifications.receivers.push_to_phone took 18.1 ms of its own; the limit is 10.0 ms.
     Whoever sent the signal waited for it.
     → Leave the slow part of notifications.receivers.push_to_phone (notifications/receivers.py:60) to a task (Celery,
       Django's tasks) that transaction.on_commit() starts.
  info async-bridge  delivery/receivers.py:27 in prepare_parcel
     notifications.receivers.push_to_phone is async, and delivery.signals.parcel_prepared was sent with send_robust().
     The thread waits while it runs in an event loop: in that of the async code outside, where sync_to_async() led here
     (asave(), a sync view under ASGI), else in one that is started for each such dispatch.
     → From async code, await asend_robust() at delivery/receivers.py:27. Otherwise make the receiver a plain function.

  unheard: django.db.models.signals.pre_save sender=shop.OrderLine × 20
           django.core.signals.request_started sender=a.Handler × 3
           django.core.signals.request_finished sender=a.Handler × 1
           pre_init and post_init of 3 senders, 43 dispatches
! plugins.signals.PluginSignal.send_chained ran receivers 2 times. They are not in this trace: it is a method of the signal's
  own class, not one of Django's.
  4 dispatches were left out by patterns in SIGNAL_TRACER["EXCLUDE_SIGNALS"]. Change them to see what they hide.
! 7 dispatches were sent and not kept, because the trace was full. To keep more, raise SIGNAL_TRACER["MAX_DISPATCHES"]; to
  keep fewer of no interest, name their signals in SIGNAL_TRACER["EXCLUDE_SIGNALS"].
! 1 dispatch was sent and not kept, being nested more than 100 deep. Does a receiver send the signal that it receives?
! The tracer itself failed 1 time, so something may be missing here. The traced code was not affected. Please report what the
  logger "signal_tracer" says about it.
"""

CHECKOUT_ASCII = """\
POST /checkout/  500                                                     71.3 ms
23 dispatches, 25 receiver calls, 1 swallowed, 1 raised, 1 slow, 1 not run
67 unheard, 4 findings

  django.db.models.signals.post_save.send x 20  sender=shop.OrderLine    6.00 ms
  |  first of 20:  instance=shop.OrderLine(pk=1)  created=True
  |  update_fields=None  raw=False  using='default'
  |  sent from shop/checkout.py:41 in add_lines
  `- search.receivers.index_line x 20                                    5.00 ms
        search/receivers.py:12, dispatch_uid='search-index'
        the first returned 1
! shop.signals.order_paid.send  sender=caf\\xe9.Gr\\xf6\\xdfe  RAISED       47.8 ms
  |  order=shop.Order(pk=42)  amount=99,00 \\u20ac  card_number=[redacted]
  |  request=POST /checkout/
  |  sent from shop/views.py:88 in CheckoutView.post
  |- warehouse.receivers.reserve                                         31.2 ms
  |  |  warehouse/receivers.py:9, own time 2.20 ms
  |  `- warehouse.signals.stock_reserved.send  sender=warehouse.Stock    29.0 ms
  |     |  order=shop.Order(pk=42)  token=[redacted]
  |     |  sent from warehouse/receivers.py:18 in reserve
  |     `- delivery.receivers.prepare_parcel                             27.1 ms
  |        |  delivery/receivers.py:21, own time 2.10 ms, returned 19
  |        `- delivery.signals.parcel_prepared.send_robust               25.0 ms
  |           |     sender=delivery.Parcel
  |           |  parcel=delivery.Parcel(pk=19)  carrier='DHL'
  |           |  sent from delivery/receivers.py:27 in prepare_parcel
! |           |- notifications.receivers.send_receipt  SWALLOWED         4.20 ms
  |           |     notifications/receivers.py:33, dispatch_uid='receipt'
  |           |     NoAddress: customer 7 has no e-mail address: fill in
  |           |     Customer.email first
  |           |     at notifications/mail.py:12 in send:
  |           |     raise NoAddress(customer)
! |           `- notifications.receivers.push_to_phone  SLOW ASYNC       18.1 ms
  |                 notifications/receivers.py:60
  |                 returned notifications.Push(pk=3)
! |- billing.receivers.StripeGatewayReceiver.                             300 us
  |        charge_the_customer_for_the_whole_order  RAISED
  |     billing/integrations/stripe/receivers/order_receivers.py:148
  |     InvalidOperation: [<class 'decimal.ConversionSyntax'>]
  |     at billing/amounts.py:8 in to_cents: return Decimal(text)
! `- newsletter.receivers.subscribe_customer  NOT RUN
        newsletter/receivers.py:14, an earlier receiver raised

  Findings: 2 errors, 1 warning, 1 info
! error swallowed-exception  notifications/mail.py:12 in send
     notifications.receivers.send_receipt raised NoAddress: customer 7 has no
     e-mail address: fill in Customer.email first, and send_robust() swallowed
     it.
     The sender goes on as if the receiver had done its work, and only the log
     knows better.
     > Handle in notifications.receivers.send_receipt what can fail at
       notifications/mail.py:12, and retry what must not be lost in a task
       (Celery, Django's tasks). Or let the sender look through what
       send_robust() returns.
! error left-half-done  billing/amounts.py:8 in to_cents
     billing.receivers.StripeGatewayReceiver.
     charge_the_customer_for_the_whole_order raised, and ended
     shop.signals.order_paid from caf\\xe9.Gr\\xf6\\xdfe (InvalidOperation: [<class
     'decimal.ConversionSyntax'>]): what receivers did before stays, and the
     rest did not happen. Not run because of it:
     newsletter.receivers.subscribe_customer.
     send() lets an exception through at once, past the receivers after it, to
     save() and to whoever called it. Outside of atomic() nothing takes back
     what was done until then.
     > Handle in billing.receivers.StripeGatewayReceiver.
       charge_the_customer_for_the_whole_order what can fail at
       billing/amounts.py:8, or send with send_robust() and look through what it
       returns. To keep all or nothing, send within transaction.atomic() at
       shop/views.py:88.
! warning slow-receiver  notifications/receivers.py:60 in push_to_phone
     notifications.receivers.push_to_phone took 18.1 ms of its own; the limit is
     10.0 ms.
     Whoever sent the signal waited for it.
     > Leave the slow part of notifications.receivers.push_to_phone
       (notifications/receivers.py:60) to a task (Celery, Django's tasks) that
       transaction.on_commit() starts.
  info async-bridge  delivery/receivers.py:27 in prepare_parcel
     notifications.receivers.push_to_phone is async, and
     delivery.signals.parcel_prepared was sent with send_robust().
     The thread waits while it runs in an event loop: in that of the async code
     outside, where sync_to_async() led here (asave(), a sync view under ASGI),
     else in one that is started for each such dispatch.
     > From async code, await asend_robust() at delivery/receivers.py:27.
       Otherwise make the receiver a plain function.

  unheard: django.db.models.signals.pre_save sender=shop.OrderLine x 20
           django.core.signals.request_started sender=a.Handler x 3
           django.core.signals.request_finished sender=a.Handler x 1
           pre_init and post_init of 3 senders, 43 dispatches
! plugins.signals.PluginSignal.send_chained ran receivers 2 times. They are not
  in this trace: it is a method of the signal's own class, not one of Django's.
  4 dispatches were left out by patterns in SIGNAL_TRACER["EXCLUDE_SIGNALS"].
  Change them to see what they hide.
! 7 dispatches were sent and not kept, because the trace was full. To keep more,
  raise SIGNAL_TRACER["MAX_DISPATCHES"]; to keep fewer of no interest, name
  their signals in SIGNAL_TRACER["EXCLUDE_SIGNALS"].
! 1 dispatch was sent and not kept, being nested more than 100 deep. Does a
  receiver send the signal that it receives?
! The tracer itself failed 1 time, so something may be missing here. The traced
  code was not affected. Please report what the logger "signal_tracer" says
  about it.
"""


def test_a_checkout_at_80_columns() -> None:
    assert shown(checkout(), 80) == CHECKOUT_80


def test_a_checkout_at_160_columns() -> None:
    assert shown(checkout(), 160) == CHECKOUT_160


def test_a_terminal_wider_than_what_there_is_to_show_is_not_filled() -> None:
    assert shown(checkout(), 400) == CHECKOUT_160


def test_long_values_do_not_stretch_the_page_over_a_very_wide_terminal() -> None:
    lines = shown(traced(Dispatch("shop.paid", kwargs={"text": "x" * 300})), 400).splitlines()

    assert [len(line) for line in lines] == [140, 29, 0, 140, 140, 140, 42]


@pytest.mark.parametrize("width", [*range(40, 120, 7), 129, 130, 139, 140, 141, 300])
def test_no_line_is_wider_than_the_terminal_and_the_times_stand_in_one_column(width: int) -> None:
    lines = shown(checkout(), width).splitlines()

    ends = {len(line) for line in lines if re.search(r" {2}[\d.]+ (µs|ms)$", line)}
    assert len(ends) == 1
    assert max(map(len, lines)) == ends.pop() <= min(width, 140)


@pytest.mark.parametrize("width", [1, 5, 20, 30])
def test_a_terminal_too_narrow_for_anything_still_gets_every_word(width: int) -> None:
    together = re.sub(r"[\s│├└─]", "", shown(checkout(), width))

    for words in ("SWALLOWED", "customer7hasnoe-mailaddress", "NOTRUN", "MAX_DISPATCHES"):
        assert words.lower() in together.lower()


@pytest.mark.parametrize("width", [80, 160])
def test_nothing_is_rendered_twice(width: int) -> None:
    text, _, _ = shown(checkout(), width).partition("Findings:")
    names = [
        "search.receivers.index_line",
        "warehouse.receivers.reserve",
        "warehouse.signals.stock_reserved",
        "delivery.receivers.prepare_parcel",
        "delivery.signals.parcel_prepared",
        "notifications.receivers.send_receipt",
        "notifications.receivers.push_to_phone",
        "newsletter.receivers.subscribe_customer",
        "NoAddress:",
        "InvalidOperation:",
        "at billing/amounts.py:8",
        "returned 19",
        "search/receivers.py:12",
        "2.20 ms",
    ]

    assert Counter({name: text.count(name) for name in names}) == Counter(dict.fromkeys(names, 1))


def test_a_trace_that_is_no_request_goes_by_its_name() -> None:
    paid = Dispatch("shop.signals.paid", receiver_calls=[ReceiverCall("shop.receivers.ship")])

    assert (
        shown(traced(paid, duration=0.5))
        == """\
nightly                                                                   500 ms
1 dispatch · 1 receiver call

  shop.signals.paid.send  sender=None                                       0 µs
  └─ shop.receivers.ship                                                    0 µs
"""
    )


def test_a_request_that_never_answered_says_so() -> None:
    trace = traced()
    trace.request = Request("GET", "/orders/")

    assert shown(trace).split() == [
        "GET",
        "/orders/",
        "no",
        "response",
        "·",
        "no",
        "receiver",
        "ran",
        "0",
        "µs",
    ]


def test_a_trace_without_signals_says_what_to_try() -> None:
    assert (
        shown(traced())
        == """\
nightly                                                                     0 µs
0 dispatches · 0 receiver calls

  No signal was sent, which is right if none was meant to be. Otherwise: save a
  model or send a signal of your own while the trace runs. For what other
  threads send, use trace_signals(all_threads=True).
"""
    )


def test_a_trace_in_which_nobody_listened_says_where_to_look() -> None:
    trace = traced(unheard=[Unheard("shop.signals.paid", "shop.Order", 1)])

    assert (
        shown(trace)
        == """\
nightly                                                                     0 µs
0 dispatches · 0 receiver calls · 1 unheard

  Signals were sent, and no receiver was called for any of them, which is right
  if none was meant to be. Otherwise: was its signal sent (an on_commit()
  callback that sends it does not run after a rollback), is its module imported
  in AppConfig.ready(), and is it connected to that signal and that sender?
  unheard: shop.signals.paid sender=shop.Order × 1
"""
    )


def test_a_trace_of_which_all_was_left_out_does_not_say_that_nothing_was_sent() -> None:
    assert (
        shown(traced(excluded=1))
        == """\
nightly                                                                     0 µs
0 dispatches · 0 receiver calls

  1 dispatch was left out by a pattern in SIGNAL_TRACER["EXCLUDE_SIGNALS"].
  Change it to see what it hides.
"""
    )


def test_the_pairs_beyond_the_first_unheard_ones_are_counted() -> None:
    pairs = [Unheard(f"shop.signals.s{number}", "None", number) for number in range(1, 18)]

    assert shown(traced(Dispatch("s"), unheard=pairs)).splitlines()[4:] == [
        "",
        "  unheard: shop.signals.s17 sender=None × 17",
        "           shop.signals.s16 sender=None × 16",
        "           shop.signals.s15 sender=None × 15",
        "           shop.signals.s14 sender=None × 14",
        "           shop.signals.s13 sender=None × 13",
        "           and 12 more (signal, sender) pairs, 78 dispatches",
    ]


def test_receivers_that_cannot_be_watched_are_named_and_the_reason_is_given() -> None:
    trace = traced(
        Dispatch("plugins.signals.order", unwatched=["plugins.a", "plugins.b"]),
        Dispatch("plugins.signals.other", unwatched=[]),
    )

    assert shown(trace).splitlines()[3:] == [
        "  plugins.signals.order.send  sender=None                                   0 µs",
        "  │  the signal's own class calls the receivers: their times, errors and nesting",
        "  │  are not known",
        "! ├─ plugins.a  NOT WATCHED",
        "! └─ plugins.b  NOT WATCHED",
        "! plugins.signals.other.send  sender=None  NOT WATCHED                      0 µs",
        "     the signal's own class calls the receivers: their times, errors and nesting",
        "     are not known",
    ]


def test_an_error_that_no_receiver_raised_stands_with_the_dispatch() -> None:
    error = Error("builtins.AttributeError", "'partial' object has no attribute '__qualname__'")

    assert shown(traced(Dispatch("shop.signals.paid", error=error))).splitlines()[3:] == [
        "! shop.signals.paid.send  sender=None  RAISED                               0 µs",
        "     AttributeError: 'partial' object has no attribute '__qualname__'",
    ]


def test_an_error_that_came_from_below_is_placed_where_it_began() -> None:
    error = Error(
        "builtins.ValueError", "no", (TracebackLine(Location("shop/a.py", 3, "inner"), "boom()"),)
    )
    nested = Dispatch(
        "shop.signals.inner",
        error=error,
        receiver_calls=[ReceiverCall("shop.a.inner", outcome="raised", error=error)],
    )
    outer = ReceiverCall("shop.a.outer", outcome="swallowed", error=error, dispatches=[nested])
    trace = traced(Dispatch("shop.signals.outer", method="send_robust", receiver_calls=[outer]))

    assert shown(trace).splitlines()[3:11] == [
        "  shop.signals.outer.send_robust  sender=None                               0 µs",
        "! └─ shop.a.outer  SWALLOWED                                                0 µs",
        "     │  own time 0 µs",
        "     │  ValueError: no",
        "!    └─ shop.signals.inner.send  sender=None  RAISED                        0 µs",
        "!       └─ shop.a.inner  RAISED                                             0 µs",
        "              ValueError: no",
        "              at shop/a.py:3 in inner: boom()",
    ]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["shop/a.py", "shop/b.py", f"{INSTALLED}lib.py"], "shop/b.py"),
        (["shop/a.py", "/usr/lib/python3.13/json/decoder.py"], "shop/a.py"),
        (["/usr/lib/python3.13/json/decoder.py", f"{INSTALLED}lib.py"], "json/decoder.py"),
        ([f"{INSTALLED}a.py", f"{INSTALLED}b.py"], "b.py"),
    ],
)
def test_the_place_of_an_error_is_the_innermost_line_of_the_project(
    files: list[str], expected: str
) -> None:
    traceback = tuple(TracebackLine(Location(file, 3, "f"), "") for file in files)
    call = ReceiverCall("r", outcome="raised", error=Error("a.E", "no", traceback))
    text = shown(traced(Dispatch("s", receiver_calls=[call])))

    assert text.count(" in f") == 1
    assert f"{expected}:3 in f\n" in text


def test_levels_for_which_there_is_no_room_are_counted() -> None:
    dispatch = Dispatch("shop.signals.last", kwargs={"level": 0})
    for level in range(1, 9):
        call = ReceiverCall("shop.receivers.again", dispatches=[dispatch])
        # Of each another sender, or they would be rounds of one recursion.
        dispatch = Dispatch(
            "shop.signals.again", f"lv_{level}", kwargs={"level": level}, receiver_calls=[call]
        )

    _, tree, below = shown(traced(dispatch)).split("\n\n")

    assert tree.splitlines()[-9:] == [
        "                                         │  own time 0 µs",
        "                                         └─ shop.signals.again.send         0 µs",
        "                                            │     sender=lv_1",
        "                                            │  level=1",
        "  +1                                        └─ shop.receivers.again         0 µs",
        "                                               │  own time 0 µs",
        "  +2                                        └─ shop.signals.last.send       0 µs",
        "                                                     sender=None",
        "                                                  level=0",
    ]
    assert below.splitlines()[-2:] == [
        "  A number such as +2 in front of a line counts levels of nesting for which this",
        "  terminal has no room.",
    ]


HOSTILE = "\x1b[31mred\x07 [bold]b[/bold] [link=x]:smile: \u202eback \x9b2J\r\nnext\t\ud800"
ESCAPED = "\\x1b[31mred\\x07 [bold]b[/bold] [link=x]:smile: \\u202eback \\x9b2J\\r\\nnext\\t\\ud800"


def hostile(text: str) -> Trace:
    """``text`` wherever data can stand."""
    place = Location(text, 1, text)
    error = Error(f"a.{text}", text, (TracebackLine(place, text),))
    return traced(
        Dispatch(
            f"{text}.signal",
            text,
            kwargs={text: Summary(text), "string": text},
            sent_from=place,
            error=Error("a.Other", text),
            receiver_calls=[
                ReceiverCall(
                    text,
                    place,
                    Summary(text),
                    response=Summary(text),
                    outcome="swallowed",
                    error=error,
                    queries=[Query(text, text)] * 5,
                    bypasses=[Bypass("update", text)],
                    on_commit=[OnCommit(text, text, place)],
                    handled=[HandledException(f"a.{text}", text, place, place)],
                )
            ],
            near_misses=[
                NearMiss(text, "not_run", place, text),
                NearMiss(text, "connected_to_parent", place, connected_to=text),
            ],
            unwatched=[text],
            in_atomic=(text,),
            rolled_back=(text, text),
            on_commit=text,
        ),
        name=text,
        bypasses=[
            Bypass(text, text, 1, (text,), place, skipped=[Skipped(text, text, place, text)])
        ],
        connection_changes=[ConnectionChange("connect", text, text, text, text, place)],
        unheard=[Unheard(text, text, 1, (NearMiss(text, "connected_to_class", place, text),))],
        unwatched=[Unwatched(text, text, 1)],
    )


@pytest.mark.parametrize("width", [80, 160, 3000])
def test_markup_and_control_characters_in_data_are_shown_and_not_obeyed(width: int) -> None:
    text = shown(hostile(HOSTILE), width)

    assert [each for each in text if not each.isprintable() and each != "\n"] == []
    assert "[bold]b[/bold]" in text
    assert ":smile:" in text


def test_hostile_data_stands_escaped_in_every_place() -> None:
    lines = shown(traced(Dispatch(f"a.{HOSTILE}", HOSTILE), name=HOSTILE), 110).splitlines()

    assert lines[0].startswith(ESCAPED + " ")
    assert f"a.{ESCAPED}.send" in lines[3]
    assert f"sender={ESCAPED}" in lines[4]


def test_a_request_path_cannot_write_to_the_terminal() -> None:
    trace = traced()
    trace.request = Request("GET", "/\x1b[2J[red]", 404)

    assert shown(trace).startswith("GET /\\x1b[2J[red]  404 ")


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A terminal of 80 columns, whatever the tests run in."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    return monkeypatch


def codes(text: str) -> set[str]:
    """The numbers of the escape codes in ``text``, of which there are no others than styles."""
    found = re.findall(r"\x1b\[([\d;]*)m", text)
    assert text.count("\x1b") == len(found)
    return {number for code in found for number in code.split(";")}


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[\d;]*m", "", text)


def test_a_terminal_gets_the_same_text_with_colours(environment: pytest.MonkeyPatch) -> None:
    environment.setattr(sys, "stderr", Terminal())

    report(checkout())

    text = sys.stderr.getvalue()
    assert plain(text) == CHECKOUT_80
    assert codes(text) == {"0", "1", "2", "31", "33", "36"}
    assert "\x1b[1;31m! \x1b[0m" in text
    assert "\x1b[1;31mSWALLOWED\x1b[0m" in text
    assert "\x1b[1;33mSLOW\x1b[0m" in text


def test_with_no_color_a_terminal_gets_bold_and_dim_only(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("NO_COLOR", "1")
    environment.setattr(sys, "stderr", Terminal())

    report(checkout())

    text = sys.stderr.getvalue()
    assert plain(text) == CHECKOUT_80
    assert codes(text) == {"0", "1", "2"}


def test_what_is_no_terminal_gets_no_escape_codes(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report(checkout())

    captured = capsys.readouterr()
    assert captured.err == CHECKOUT_80
    assert captured.out == ""


def test_each_report_goes_to_the_standard_error_of_that_moment(
    environment: pytest.MonkeyPatch,
) -> None:
    first, second = io.StringIO(), io.StringIO()
    environment.setattr(sys, "stderr", first)
    report(traced(name="first"))
    environment.setattr(sys, "stderr", second)
    report(traced(name="second"))

    assert first.getvalue().startswith("first ")
    assert second.getvalue().startswith("second ")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_a_stream_that_is_not_unicode_gets_ascii(
    environment: pytest.MonkeyPatch, encoding: str
) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict", newline="\n")
    environment.setattr(sys, "stderr", stream)
    trace = checkout()
    trace.dispatches[-1].kwargs["amount"] = Summary("99,00 €")
    trace.dispatches[-1].sender = "café.Größe"

    report(trace)

    stream.flush()
    assert stream.buffer.getvalue().decode("ascii") == CHECKOUT_ASCII


def test_a_strict_utf_8_stream_gets_what_it_cannot_encode_escaped(
    environment: pytest.MonkeyPatch,
) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="strict")
    environment.setattr(sys, "stderr", stream)

    report(traced(name="caf\u00e9 \ud800"))

    stream.flush()
    assert stream.buffer.getvalue().decode().startswith("café \\ud800 ")


def test_wide_characters_keep_the_times_in_their_column() -> None:
    text = shown(traced(Dispatch("店.信号.支払い"), Dispatch("shop.paid")))

    assert text.splitlines()[3:] == [
        "  店.信号.支払い.send  sender=None                                          0 µs",
        "  shop.paid.send  sender=None                                               0 µs",
    ]


def test_a_picture_shows_the_trace_as_it_was_when_it_was_made() -> None:
    readings = iter([Contents(dispatches=[Dispatch("a")]), Contents(dispatches=[])])
    trace = Trace(
        "running",
        started_at=datetime(2025, 1, 1, tzinfo=UTC),
        read=lambda: (next(readings), False),
    )
    picture = render_trace(trace)

    for _ in range(2):
        console = Console(file=io.StringIO(), width=80, _environ={})
        console.print(picture)
        assert console.file.getvalue().splitlines()[1] == "1 dispatch · 0 receiver calls"


@pytest.mark.parametrize(
    ("room", "text", "lines"),
    [
        (
            34,
            "at shop/a_folder_of_it/receivers.py:179",
            ["at shop/a_folder_of_it/", "receivers.py:179"],
        ),
        (28, "total=decimal.Decimal(1194.00)", ["total=decimal.", "Decimal(1194.00)"]),
        (28, "shop.receivers.very_long_name_of_one", ["shop.receivers.", "very_long_name_of_one"]),
    ],
)
def test_a_word_too_long_is_broken_where_neither_a_number_nor_the_end_of_a_file_is(
    room: int, text: str, lines: list[str]
) -> None:
    assert [each.plain for each in broken(Text(text), room, room)] == lines
