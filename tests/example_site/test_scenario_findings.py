"""Each scenario with a mistake shows its finding, and its twin without the mistake shows none."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from django.core import mail
from django.core.checks import run_checks
from django.test import Client

from billing.receivers import charge_card
from notifications import sms
from notifications.receivers import confirm_reservation, mail_stock_list, thank_reviewer
from search.models import SearchEntry
from search.receivers import index_product
from shop import editing, imports
from shop.models import Order, Product
from signal_tracer import Trace, trace_signals
from signal_tracer.findings import Finding
from warehouse import printer
from workshops import bookings, calendar
from workshops.models import Booking

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = pytest.mark.usefixtures("shop")


@pytest.fixture(autouse=True)
def nothing_is_slow_by_accident(settings: Settings) -> None:
    settings.SIGNAL_TRACER = {"SLOW_RECEIVER_MS": 15_000}


def press(slug: str, *, repaired: bool = False) -> Trace:
    """Press the button of a scenario, or its second one; gives the trace of that request."""
    browser = Client()
    with trace_signals(slug) as trace:
        response = browser.post(f"/{slug}/", {"repaired": "yes"} if repaired else {})
    assert response.status_code == 200
    return trace


def alarms(trace: Trace) -> list[Finding]:
    """All findings but those that are only worth knowing."""
    return [each for each in trace.findings() if each.level != "info"]


def told(trace: Trace) -> list[str]:
    return [str(each) for each in alarms(trace)]


def line_of(function: Callable[..., object], code: str = "def ") -> int:
    """The line of ``function`` that holds ``code``; its first one counts from the decorators."""
    lines, first = inspect.getsourcelines(function)
    if code == "def ":
        return first
    [number] = [number for number, line in enumerate(lines, first) if code in line]
    return number


def test_a_bulk_import_names_the_receiver_that_did_not_run_and_the_rows() -> None:
    trace = press("import")
    [finding] = alarms(trace)

    assert str(finding) == (
        "warning bulk-bypass: shop.Product.bulk_create(update_conflicts=True) changed 3 rows "
        "without sending post_save, so search.receivers.index_product did not run."
    )
    assert finding.location
    assert finding.location.file == imports.__file__
    assert finding.location.line == line_of(imports.import_at_once, "bulk_create(")
    assert SearchEntry.objects.filter(words__contains="glaze").count() == 0


def test_an_import_one_by_one_leaves_nobody_out() -> None:
    trace = press("import", repaired=True)

    assert told(trace) == []
    assert trace.all_bypasses() == []
    assert SearchEntry.objects.filter(words__contains="glaze").count() == 3


def test_a_proxy_names_the_receiver_that_waits_for_the_model() -> None:
    [finding] = alarms(press("proxy"))

    assert str(finding) == (
        "warning near-miss: search.receivers.index_product did not run for "
        "django.db.models.signals.post_save from the proxy shop.Second: it is connected to "
        "shop.Product."
    )
    assert finding.location
    assert finding.location.line == line_of(index_product)
    assert SearchEntry.objects.filter(words__contains="bubble").count() == 0


def test_a_row_that_is_saved_as_what_the_receiver_waits_for_is_no_near_miss() -> None:
    assert told(press("proxy", repaired=True)) == []
    assert SearchEntry.objects.filter(words__contains="bubble").count() == 1


def test_a_mail_for_what_was_rolled_back_names_the_receiver_that_sent_it() -> None:
    trace = press("rollback")
    [finding] = alarms(trace)

    assert str(finding) == (
        "error lost-on-rollback: notifications.receivers.confirm_reservation ran for "
        "shop.signals.goods_reserved from shop.Order inside atomic(), and that was rolled back "
        "on default. What it did elsewhere (mail, cache, another service) was not."
    )
    assert finding.location
    assert finding.location.line == line_of(confirm_reservation)
    assert Order.objects.count() == 0
    assert len(mail.outbox) == 1


def test_a_mail_that_waits_for_the_commit_is_discarded_and_not_told() -> None:
    trace = press("rollback", repaired=True)

    assert told(trace) == []
    [dispatch] = trace.find(signal="goods_reserved")
    assert dispatch.rolled_back == ("default",)
    [callback] = dispatch.receiver_calls[0].on_commit
    assert callback.outcome == "discarded"
    assert mail.outbox == []


def test_a_worker_that_is_started_before_the_commit_is_told_with_its_line() -> None:
    [finding] = alarms(press("before-commit"))

    started = f"example_site/warehouse/printer.py:{line_of(printer.start, '.start()')}"
    assert str(finding) == (
        "warning before-commit: warehouse.receivers.print_slip started "
        f"warehouse.printer._print_slip in a thread or process at {started} during "
        "shop.signals.order_packed from shop.Order, inside atomic() on default: before the commit."
    )
    assert str(finding.location).endswith(started)


def test_a_worker_that_waits_for_the_commit_is_not_told() -> None:
    trace = press("before-commit", repaired=True)

    assert told(trace) == []
    [dispatch] = trace.find(signal="order_packed")
    [callback] = dispatch.receiver_calls[0].on_commit
    assert callback.callback == "partial(warehouse.printer.start)"


def test_a_receiver_that_raised_is_told_with_the_row_that_stays_and_who_did_not_run() -> None:
    [finding] = alarms(press("half-way"))

    booking = Booking.objects.get()
    saved = f"example_site/workshops/bookings.py:{line_of(bookings.book, 'create(')}"
    assert str(finding) == (
        "error left-half-done: workshops.receivers.enter_in_calendar raised after "
        f"workshops.Booking(pk={booking.pk}) was written, outside of atomic() (CalendarError: 504 "
        f"Gateway Timeout, not entered: {booking.guest} comes to the workshop): the row stays, and "
        f"what save() and {saved} were to do next did not happen. Not run because of it: "
        "workshops.receivers.set_clay_aside."
    )
    assert finding.location
    assert finding.location.file == calendar.__file__


def test_a_booking_that_its_transaction_takes_back_is_only_worth_knowing() -> None:
    trace = press("half-way", repaired=True)

    assert [(each.level, each.slug) for each in trace.findings()] == [("info", "raised-and-undone")]
    assert Booking.objects.count() == 0


def test_a_receiver_whose_module_nobody_imports_is_told_once_the_sources_were_compared() -> None:
    run_checks(tags=["signals"])
    trace = press("unimported")
    [finding] = alarms(trace)

    place = "example_site/workshops/announcements.py:10"
    assert str(finding) == (
        "error missing-receiver: workshops.signals.workshop_announced from workshops.Booking was "
        f"sent, and workshops.announcements.write_to_readers ({place}) did not run: the source "
        "connects it, and this process does not have the connection."
    )
    assert str(finding.location).endswith(place)
    assert trace.find(signal="workshop_announced") == []


def test_a_receiver_whose_module_is_imported_is_not_told() -> None:
    run_checks(tags=["signals"])
    trace = press("unimported", repaired=True)

    assert told(trace) == []
    assert len(trace.find(signal="workshop_published")) == 1


def test_a_query_for_every_item_is_told_with_the_query_and_its_number() -> None:
    trace = press("stock-list")
    [finding] = alarms(trace)

    assert str(finding) == (
        "warning query-in-loop: notifications.receivers.mail_stock_list ran the same query 5 "
        "times in one call: SELECT ... FROM "
        '"shop_product" WHERE "shop_product"."id" = %s LIMIT 21'
    )
    assert finding.location
    assert finding.location.line == line_of(mail_stock_list)
    [dispatch] = trace.find(signal="stock_counted")
    assert [call.query_count for call in dispatch.receiver_calls] == [6]


def test_items_that_come_with_their_products_need_one_query() -> None:
    trace = press("stock-list", repaired=True)

    assert told(trace) == []
    [dispatch] = trace.find(signal="stock_counted")
    assert [call.query_count for call in dispatch.receiver_calls] == [1]


def test_a_product_saved_three_times_is_told_with_the_three_lines() -> None:
    [finding] = alarms(press("saves"))
    first = line_of(editing.revise_step_by_step)
    places = [f"example_site/shop/editing.py:{first + offset}" for offset in (3, 5, 7)]

    assert str(finding) == (
        f"warning repeated-save: shop.Product(pk={Product.objects.get(name='Bud vase').pk}) was "
        f"saved 3 times, at {places[0]}, {places[1]} and {places[2]}, and each time "
        "search.receivers.index_product ran."
    )
    assert str(finding.location).endswith(places[1])


def test_a_product_saved_once_is_not_told() -> None:
    trace = press("saves", repaired=True)

    assert told(trace) == []
    assert len(trace.find(signal="post_save", sender="shop.Product")) == 1


def test_a_receiver_connected_twice_is_told_with_its_place() -> None:
    [finding] = alarms(press("twice"))

    assert str(finding) == (
        "warning called-twice: notifications.receivers.thank_reviewer ran 2 times in one "
        "shop.signals.review_written from shop.Review."
    )
    assert finding.location
    assert finding.location.line == line_of(thank_reviewer)
    assert len(mail.outbox) == 2


def test_a_receiver_connected_once_is_not_told() -> None:
    assert told(press("twice", repaired=True)) == []
    assert len(mail.outbox) == 1


def test_a_checkout_is_told_for_its_failing_receiver_and_not_for_those_that_write() -> None:
    trace = press("checkout")

    assert [(each.level, each.slug, each.names[0], each.count) for each in trace.findings()] == [
        ("error", "swallowed-exception", "notifications.receivers.text_customer", 1),
    ]
    swallowed = trace.findings()[0]
    assert swallowed.location
    assert (swallowed.location.file, swallowed.location.function) == (sms.__file__, "send_text")


def test_the_bank_takes_its_time_and_so_its_receiver_is_slow(settings: Settings) -> None:
    settings.SIGNAL_TRACER = {"SLOW_RECEIVER_MS": 10}
    slow = {
        each.names[0]: each for each in press("checkout").findings() if each.slug == "slow-receiver"
    }

    finding = slow["billing.receivers.charge_card"]  # others may be, on a busy machine
    assert finding.message.endswith("of its own; the limit is 10.0 ms.")
    assert finding.location
    assert finding.location.line == line_of(charge_card)


@pytest.mark.parametrize("slug", ["profile", "delivery", "deletion", "nothing"])
def test_a_scenario_without_a_mistake_has_nothing_but_what_is_worth_knowing(slug: str) -> None:
    assert told(press(slug)) == []
