"""Each scenario of the example site explains itself, does its work, and sends what it says."""

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.core import mail
from django.core.cache import cache
from django.test import AsyncClient, Client

from accounts.models import Profile
from billing.models import Payment
from delivery.models import Parcel
from newsletter.models import Subscriber
from scenarios import sample_data
from scenarios.fragile import connect_notice, kiln_opened
from search.models import SearchEntry
from shop.checkout import place_order
from shop.models import Order, Product, Review
from signal_tracer import trace_signals
from warehouse import printer
from warehouse.models import StockItem
from workshops import calendar
from workshops.models import Booking

# With a second button that does without the mistake.
WITH_A_TWIN = [
    *("import", "proxy", "rollback", "before-commit", "half-way", "unimported"),
    *("stock-list", "saves", "twice"),
]
SLUGS = [
    "checkout",
    "observer",
    "profile",
    "newsletter",
    "delivery",
    "deletion",
    *WITH_A_TWIN,
    "fragile",
    "stocktaking",
    "four-ways",
    "five-steps",
    "nothing",
]
EXAMPLE_SITE = Path(__file__).parents[2] / "example_site"
GATEWAY_IS_DOWN = "the SMS gateway answered 503 Service Unavailable for +44 7700 900123"


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("slug", SLUGS)
def test_every_scenario_explains_itself_and_answers_its_button(slug: str) -> None:
    browser = Client(raise_request_exception=True)
    explained = browser.get(f"/{slug}/")
    pressed = browser.post(f"/{slug}/")
    assert (explained.status_code, pressed.status_code) == (200, 200)
    for response in explained, pressed:
        page = response.content.decode()
        assert "What happens" in page
        assert "What to look for in the panel" in page
        assert '<form method="post">' in page


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("slug", WITH_A_TWIN)
def test_every_mistake_has_a_twin_without_it(slug: str) -> None:
    browser = Client(raise_request_exception=True)
    explained = browser.get(f"/{slug}/").content.decode()
    repaired = browser.post(f"/{slug}/", {"repaired": "yes"})
    assert '<button class="repaired" name="repaired" value="yes">' in explained
    assert repaired.status_code == 200
    assert 'class="result"' in repaired.content.decode()


@pytest.mark.usefixtures("shop")
def test_what_is_imported_is_found_only_if_it_was_saved_one_by_one() -> None:
    at_once = Client().post("/import/").content.decode()
    one_by_one = Client().post("/import/", {"repaired": "yes"}).content.decode()
    assert "<dt>Found by that</dt><dd>0</dd>" in at_once
    assert "<dt>Found by that</dt><dd>3</dd>" in one_by_one
    assert "Blue plate" not in Client().get("/").content.decode()  # not on the shelf yet


@pytest.mark.usefixtures("shop")
def test_the_index_links_to_every_scenario_and_shows_what_is_sold() -> None:
    page = Client().get("/").content.decode()
    assert [slug for slug in SLUGS if f'href="/{slug}/"' in page] == SLUGS
    assert [name for name in sample_data.PRODUCTS if name in page] == list(sample_data.PRODUCTS)


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/", "/checkout/"])
def test_a_shop_without_sample_data_says_how_to_fill_it(path: str) -> None:
    response = Client().get(path)
    assert response.status_code == 200
    assert "manage.py prepare_demo" in response.content.decode()


@pytest.mark.usefixtures("shop")
def test_an_empty_shop_cannot_be_bought_from() -> None:
    StockItem.objects.update(quantity=1)
    page = Client().post("/checkout/").content.decode()
    assert "Sold out: Morning mug, Soup bowl." in page
    assert Order.objects.count() == 0


@pytest.mark.usefixtures("shop")
def test_a_checkout_is_paid_reserved_and_receipted(caplog: pytest.LogCaptureFixture) -> None:
    page = Client().post("/checkout/").content.decode()
    order = Order.objects.get()
    assert order.status == "paid"
    assert str(Payment.objects.get(order=order).amount) == "194.00"
    assert Profile.objects.get(user__username="demo").points == 194
    assert {item.product.name: item.quantity for item in StockItem.objects.all()} == {
        "Morning mug": 498,
        "Soup bowl": 496,
        "Round teapot": 499,
        "Bud vase": 500,
        "Egg cup": 2,
    }
    assert cache.get(f"left:{Product.objects.get(name='Soup bowl').pk}") == 496
    assert [(message.subject, message.to) for message in mail.outbox] == [
        (f"Your order {order.pk}", ["demo@customer.example"])
    ]
    assert "194.00 € from the card ending 4242" in page
    [line] = dispatch_log(caplog)
    assert line == f"Error calling text_customer in Signal.send_robust() ({GATEWAY_IS_DOWN})"


@pytest.mark.usefixtures("shop")
def test_a_checkout_is_three_dispatches_deep_and_one_receiver_fails() -> None:
    with trace_signals("checkout") as trace:
        place_order(
            sample_data.customer(),
            sample_data.basket(),
            phone=sample_data.PHONE,
            card_number=sample_data.CARD_NUMBER,
        )
    saved = [
        "        django.db.models.signals.post_save.send  sender=warehouse.StockItem",
        "          shop.receivers.show_availability",
    ]
    swallowed = f"SWALLOWED SmsGatewayError: {GATEWAY_IS_DOWN}"
    assert trace.outline().splitlines() == [
        "shop.signals.order_placed.send_robust  sender=shop.Order",
        "  accounts.receivers.give_points",
        "  billing.receivers.charge_card",
        "    billing.signals.payment_received.send  sender=billing.Payment",
        "      shop.receivers.mark_order_paid",
        "      warehouse.receivers.reserve_stock",
        *saved,
        *saved,
        *saved,
        "        warehouse.signals.stock_reserved.send_robust  sender=shop.Order",
        "          notifications.receivers.send_receipt",
        f"          notifications.receivers.text_customer  {swallowed}",
    ]
    assert str(trace.find(signal="order_placed")[0].kwargs["card_number"]) == "[redacted]"
    assert str(trace.find(signal="payment_received")[0].kwargs["token"]) == "[redacted]"


@pytest.mark.usefixtures("shop")
def test_a_new_user_gets_a_profile() -> None:
    page = Client().post("/profile/").content.decode()
    user = User.objects.exclude(username="demo").get()
    assert Profile.objects.filter(user=user).count() == 1
    assert user.username in page


@pytest.mark.usefixtures("shop")
def test_a_subscriber_is_thanked_though_a_receiver_failed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    page = Client().post("/newsletter/").content.decode()
    email = Subscriber.objects.get().email
    assert f"{email} will get our next letter" in page
    assert "403" not in page
    assert [message.to for message in mail.outbox] == [[email]]
    assert cache.get("subscribers:website") == 1  # the receiver after the failing one ran
    [line] = dispatch_log(caplog)
    assert line == (
        "Error calling add_to_mailing_list in Signal.send_robust() "
        f"(403 Forbidden: the API key has expired, {email} was not added)"
    )


@pytest.mark.usefixtures("shop")
def test_a_parcel_is_handed_over_by_async_receivers() -> None:
    # async_to_sync, so that the database work of the view comes back to the thread of this test.
    response = async_to_sync(AsyncClient().post)("/delivery/")
    code = Parcel.objects.get().tracking_code
    page = response.content.decode()
    assert response.status_code == 200
    for fact in (
        "14:00 to 16:00",
        f"https://carrier.example/track/{code}",
        f"{code} / Galway",
    ):
        assert fact in page


@pytest.mark.usefixtures("shop")
def test_concurrent_async_receivers_keep_their_own_nested_dispatches() -> None:
    with trace_signals("delivery") as trace:
        async_to_sync(AsyncClient().post)("/delivery/")
    [handed_over] = trace.find(signal="delivery.signals.parcel_handed_over")
    assert [
        (call.receiver, call.is_async, [str(nested) for nested in call.dispatches])
        for call in handed_over.receiver_calls
    ] == [
        (
            "delivery.receivers.book_pickup",
            True,
            ["delivery.signals.pickup_booked.asend  sender=delivery.Parcel"],
        ),
        (
            "delivery.receivers.open_tracking",
            True,
            ["delivery.signals.tracking_opened.asend  sender=delivery.Parcel"],
        ),
        ("delivery.receivers.print_label", True, []),
    ]
    assert str(handed_over.kwargs["carrier_api_key"]) == "[redacted]"


@pytest.mark.usefixtures("shop")
def test_a_deleted_product_leaves_no_picture_search_entry_or_review() -> None:
    egg_cup = Product.objects.get(name="Egg cup")
    number, picture = egg_cup.pk, Path(egg_cup.picture.path)
    assert picture.exists()
    assert SearchEntry.objects.filter(product_number=number).count() == 1
    page = Client().post("/deletion/").content.decode()
    assert not Product.objects.filter(pk=number).exists()
    assert not picture.exists()
    assert not SearchEntry.objects.filter(product_number=number).exists()
    assert not Review.objects.filter(product=number).exists()
    assert "egg-cup.svg is gone" in page


@pytest.mark.usefixtures("shop")
def test_the_deletion_can_be_tried_again() -> None:
    browser = Client()
    first = browser.post("/deletion/").content.decode()
    second = browser.post("/deletion/").content.decode()
    assert "egg-cup.svg is gone" in first
    assert "egg-cup.svg is gone" in second
    assert "puts it back first" in browser.get("/deletion/").content.decode()


@pytest.mark.usefixtures("shop")
def test_a_worker_begins_before_the_order_it_was_given_is_there_for_it() -> None:
    page = Client().post("/before-commit/").content.decode()
    assert "<dt>The worker began</dt><dd>before the commit</dd>" in page


@pytest.mark.usefixtures("shop")
def test_a_worker_that_waits_for_the_commit_begins_after_it(
    django_capture_on_commit_callbacks: Any,
) -> None:
    with django_capture_on_commit_callbacks() as callbacks:
        page = Client().post("/before-commit/", {"repaired": "yes"}).content.decode()
    assert "<dt>The worker began</dt><dd>not before the commit</dd>" in page
    number = Order.objects.get().pk
    assert not printer.has_begun(number)
    for callback in callbacks:
        callback()
    printer.wait_for(number)
    assert printer.has_begun(number)


@pytest.mark.usefixtures("shop")
def test_a_guest_who_was_refused_has_a_booking_only_without_a_transaction() -> None:
    half = Client().post("/half-way/").content.decode()
    assert "<dd>Sorry, nothing was booked.</dd>" in half
    assert f"<dt>In the database</dt><dd>Booking {Booking.objects.get().pk}</dd>" in half

    nothing = Client().post("/half-way/", {"repaired": "yes"}).content.decode()
    assert "<dd>Sorry, nothing was booked.</dd>" in nothing
    assert "<dt>In the database</dt><dd>no booking</dd>" in nothing
    assert Booking.objects.count() == 1


@pytest.mark.usefixtures("shop")
def test_a_booking_that_the_calendar_takes_has_its_clay_set_aside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entered: list[str] = []
    monkeypatch.setattr(calendar, "enter", entered.append)
    page = Client().post("/half-way/").content.decode()
    booking = Booking.objects.get()
    assert "<dd>See you at the wheel!</dd>" in page
    assert entered == [f"{booking.guest} comes to the workshop"]
    assert cache.get(f"clay:{booking.pk}") == 2


@pytest.mark.usefixtures("shop")
def test_readers_are_told_only_by_the_receiver_whose_module_is_imported() -> None:
    announced = Client().post("/unimported/").content.decode()
    published = Client().post("/unimported/", {"repaired": "yes"}).content.decode()
    assert "<dt>Readers told</dt><dd>0</dd>" in announced
    assert "<dt>Readers told</dt><dd>1</dd>" in published
    assert [message.subject for message in mail.outbox] == ["A new workshop"]
    assert "workshops.announcements" not in sys.modules


def test_the_site_starts_though_a_receiver_is_missing_and_the_map_says_what_would_connect_it() -> (
    None
):
    def manage(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=EXAMPLE_SITE,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert manage("check").returncode == 0
    printed = " ".join(manage("signal_map", "--missing").stdout.split())
    assert "workshops.announcements was never imported: no line of the project" in printed
    assert "Add `import workshops.announcements` to WorkshopsConfig.ready()" in printed


@pytest.mark.usefixtures("shop")
def test_a_fragile_receiver_lives_with_debug_only(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # pytest-django turns DEBUG off after the apps were set up.
    settings.DEBUG = True
    monkeypatch.setattr(kiln_opened, "receivers", [])
    connect_notice(kiln_opened)
    with trace_signals("fragile") as trace:
        page = Client().post("/fragile/").content.decode()

    assert "<dt>Connected with DEBUG = True</dt><dd>the town was told</dd>" in page
    assert "<dt>Connected with DEBUG = False</dt><dd>nobody heard of it</dd>" in page
    assert len(trace.find(signal="kiln_opened")) == 1
    assert trace.find(signal="kiln_closed") == []
    assert settings.DEBUG is True


@pytest.mark.parametrize("debug", [True, False])
def test_the_signal_map_names_the_fragile_receiver_before_production_does(debug: bool) -> None:
    code = (
        "import django; from config import settings; "
        f"settings.DEBUG = {debug}; django.setup(); "
        "from django.core.management import call_command; "
        "call_command('signal_map', signal=['kiln_opened'], format='tree')"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code],
        cwd=EXAMPLE_SITE,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert ("notify_town  any sender  FRAGILE" in printed) is debug
    assert ("a receiver that is gone  any sender  DEAD" in printed) is not debug


def test_the_quiet_page_sends_nothing_that_anyone_hears() -> None:
    with trace_signals("nothing") as trace:
        Client().post("/nothing/")
    # Django sends these two around the request; middleware and toolbar stand inside of it.
    assert [dispatch.signal for dispatch in trace.walk()] == [
        "django.core.signals.request_started",
        "django.core.signals.request_finished",
    ]


def dispatch_log(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What Django itself says of exceptions that send_robust swallowed."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == "django.dispatch" and record.levelno == logging.ERROR
    ]
