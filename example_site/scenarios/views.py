"""One view a scenario: GET explains it; POST does it and shows what came of it.

There is no redirect after POST: the toolbar shows the request that made the page, and that has to
be the one with the signals in it.
"""

from collections.abc import Mapping
from pathlib import Path

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.crypto import get_random_string
from django.views.decorators.http import require_http_methods

from accounts.models import Profile
from billing.models import Payment
from delivery.models import Parcel
from delivery.signals import parcel_handed_over
from newsletter.models import Subscriber
from newsletter.signals import subscribed
from scenarios import sample_data
from scenarios.catalogue import BY_SLUG, SCENARIOS
from search.models import SearchEntry
from shop.checkout import place_order
from shop.models import Order, Product, Review
from warehouse.models import StockItem

get_or_post = require_http_methods(["GET", "POST"])


def scenario_page(
    request: HttpRequest,
    slug: str,
    *,
    result: Mapping[str, object] | None = None,
    **context: object,
) -> HttpResponse:
    """The page of a scenario; ``result`` is what a POST did, as names and values."""
    return render(
        request,
        f"scenarios/{slug}.html",
        {"scenario": BY_SLUG[slug], "scenarios": SCENARIOS, "result": result, **context},
    )


@require_http_methods(["GET"])
def index(request: HttpRequest) -> HttpResponse:
    products = Product.objects.select_related("stock")
    return render(request, "scenarios/index.html", {"scenarios": SCENARIOS, "products": products})


@get_or_post
def checkout(request: HttpRequest) -> HttpResponse:
    basket = sample_data.basket()
    total = sum(product.price * quantity for product, quantity in basket)
    short = [
        product
        for product, quantity in basket
        if StockItem.objects.get(product=product).quantity < quantity
    ]
    result = None
    if request.method == "POST" and basket and not short:
        order = place_order(
            sample_data.customer(),
            basket,
            phone=sample_data.PHONE,
            card_number=sample_data.CARD_NUMBER,
        )
        result = _what_came_of(order)
    return scenario_page(
        request, "checkout", result=result, basket=basket, total=total, short=short
    )


def _what_came_of(order: Order) -> dict[str, object]:
    order.refresh_from_db()
    payment = Payment.objects.get(order=order)
    left = StockItem.objects.filter(product__orderline__order=order).select_related("product")
    return {
        "Order": f"{order.pk}, {order.status}",
        "Payment": f"{payment.amount} € from the card ending {payment.card_ending}",
        "Left on the shelf": ", ".join(str(item) for item in left),
        "Receipt": f"mailed to {order.customer.email}",
        "Text message": "should be on its way",
    }


@get_or_post
def profile(request: HttpRequest) -> HttpResponse:
    result = None
    if request.method == "POST":
        user = User.objects.create_user(f"customer-{get_random_string(6).lower()}")
        result = {
            "New user": user.username,
            "Its profile": f"number {Profile.objects.get(user=user).pk}, made by a receiver",
            "Users and profiles": f"{User.objects.count()} and {Profile.objects.count()}",
        }
    return scenario_page(request, "profile", result=result)


@get_or_post
def newsletter(request: HttpRequest) -> HttpResponse:
    result = None
    if request.method == "POST":
        subscriber = Subscriber.objects.create(
            email=f"{get_random_string(6).lower()}@reader.example"
        )
        subscribed.send_robust(sender=Subscriber, subscriber=subscriber, source="website")
        result = {
            "Thank you": f"{subscriber.email} will get our next letter",
            "Before that": "a welcome mail is on its way",
        }
    return scenario_page(request, "newsletter", result=result)


@get_or_post
async def delivery(request: HttpRequest) -> HttpResponse:
    result = None
    if request.method == "POST":
        parcel = await Parcel.objects.acreate(
            tracking_code=f"TC-{get_random_string(8, 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789')}",
            town="Galway",
        )
        responses = await parcel_handed_over.asend(
            sender=Parcel,
            parcel=parcel,
            town=parcel.town,
            carrier_api_key="example-key-2fd1",
        )
        named = {receiver.__name__: response for receiver, response in responses}
        result = {
            "Parcel": parcel.tracking_code,
            "Van comes": named["book_pickup"],
            "Tracking page": named["open_tracking"],
            "Label": named["print_label"],
        }
    return scenario_page(request, "delivery", result=result)


@get_or_post
def deletion(request: HttpRequest) -> HttpResponse:
    result = None
    if request.method == "POST":
        product = sample_data.discontinued_product()
        number, picture = product.pk, Path(product.picture.path)
        deleted, _ = product.delete()
        result = {
            "Rows deleted": f"{deleted}, of which one is the egg cup",
            "Picture": "still there" if picture.exists() else f"{picture.name} is gone",
            "Search entries": SearchEntry.objects.filter(product_number=number).count(),
            "Reviews": Review.objects.filter(product=number).count(),
        }
    return scenario_page(
        request, "deletion", result=result, egg_cup=sample_data.egg_cup_on_the_shelf()
    )


@get_or_post
def nothing(request: HttpRequest) -> HttpResponse:
    return scenario_page(request, "nothing")
