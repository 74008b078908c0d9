"""One view a scenario: GET explains it; POST does it and shows what came of it.

There is no redirect after POST: the toolbar shows the request that made the page, and that has to
be the one with the signals in it.
"""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.crypto import get_random_string
from django.views.decorators.http import require_http_methods

from accounts.models import Profile
from billing.models import Payment
from commissions.models import (
    Account,
    AfterCommit,
    AsFound,
    ConnectedOnce,
    ForReceiver,
    Light,
    SavedOnce,
    WithSave,
    new_number,
)
from commissions.post import noting_mails
from commissions.services import queue, take, take_and_enqueue, take_and_tell, write
from delivery.models import Parcel
from delivery.signals import parcel_handed_over
from newsletter.models import Subscriber
from newsletter.signals import subscribed
from scenarios import sample_data
from scenarios.catalogue import BY_SLUG, SCENARIOS
from scenarios.fragile import connect_notice, kiln_closed, kiln_opened, production
from scenarios.observer import Kiln, kiln_fired, ring_bell, write_diary
from search.models import SearchEntry
from shop.checkout import place_order
from shop.editing import revise_at_once, revise_step_by_step
from shop.imports import import_at_once, import_one_by_one
from shop.models import Order, Product, Review, Second
from shop.packing import pack
from shop.reservations import SoldOutError, reserve
from shop.signals import review_published, review_written
from warehouse.models import StockItem
from warehouse.signals import stock_counted
from workshops.bookings import book, book_all_or_nothing
from workshops.calendar import CalendarError
from workshops.models import Booking
from workshops.signals import workshop_announced, workshop_published

get_or_post = require_http_methods(["GET", "POST"])


def scenario_page(
    request: HttpRequest,
    slug: str,
    *,
    result: Mapping[str, object] | None = None,
    **context: object,
) -> HttpResponse:
    """The page of a scenario; ``result`` is what a POST did, as names and values."""
    scenario = BY_SLUG[slug]
    return render(
        request,
        f"scenarios/{slug}.html",
        {
            "scenario": scenario,
            "guide": f"{settings.DOCUMENTATION}{scenario.guide}.html",
            "result": result,
            **context,
        },
    )


@require_http_methods(["GET"])
def index(request: HttpRequest) -> HttpResponse:
    # What an import brings is not on the shelf yet.
    products = Product.objects.filter(stock__isnull=False).select_related("stock")
    return render(request, "scenarios/index.html", {"scenarios": SCENARIOS, "products": products})


@get_or_post
def observer(request: HttpRequest) -> HttpResponse:
    result = None
    if request.method == "POST":
        heard_by_observers = Kiln(ring_bell, write_diary).fire(1240)
        responses = kiln_fired.send(sender=Kiln, degrees=1240)
        result = {
            "The kiln told its observers": ", ".join(heard_by_observers),
            "The signal told its receivers": ", ".join(answer for _, answer in responses),
        }
    return scenario_page(request, "observer", result=result)


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


def _is_repaired(request: HttpRequest) -> bool:
    """Whether the second button was pressed, which does without the mistake."""
    return "repaired" in request.POST


@get_or_post
def bulk_import(request: HttpRequest) -> HttpResponse:
    result = None
    if request.method == "POST":
        products = sample_data.from_the_supplier()
        take_over = import_one_by_one if _is_repaired(request) else import_at_once
        take_over(products)
        glaze = products[0].description
        result = {
            "Imported": f"{len(products)} products. {glaze}",
            "Found by that": SearchEntry.objects.filter(words__contains=glaze.lower()).count(),
        }
    return scenario_page(request, "import", result=result)


@get_or_post
def proxy(request: HttpRequest) -> HttpResponse:
    result = None
    if request.method == "POST":
        flaw = sample_data.flaw()
        model = Product if _is_repaired(request) else Second
        saved, _ = model.objects.update_or_create(
            name=sample_data.SECOND, defaults={"description": flaw, "price": Decimal("12.00")}
        )
        found = SearchEntry.objects.filter(product_number=saved.pk, words__contains=flaw.lower())
        result = {
            "Saved": f"{saved}. {flaw}",
            "Found by that": "yes" if found.exists() else "no",
        }
    return scenario_page(request, "proxy", result=result)


@get_or_post
def rollback(request: HttpRequest) -> HttpResponse:
    result = None
    if request.method == "POST":
        wait = _is_repaired(request)
        wanted = {sample_data.discontinued_product(): 10}
        try:
            reserve(sample_data.customer(), wanted, phone=sample_data.PHONE, wait_for_commit=wait)
        except SoldOutError as error:
            result = {
                "Order": f"none. {error}",
                "Mail": "none" if wait else "All of it is set aside for you.",
            }
    return scenario_page(request, "rollback", result=result)


@get_or_post
def before_commit(request: HttpRequest) -> HttpResponse:
    result = None
    if request.method == "POST":
        order, too_early = pack(
            sample_data.customer(), phone=sample_data.PHONE, wait_for_commit=_is_repaired(request)
        )
        result = {
            "Packed": str(order),
            "The worker began": "before the commit" if too_early else "not before the commit",
        }
    return scenario_page(request, "before-commit", result=result)


@get_or_post
def half_way(request: HttpRequest) -> HttpResponse:
    result = None
    if request.method == "POST":
        guest = f"Guest {get_random_string(5, '123456789')}"
        take_booking = book_all_or_nothing if _is_repaired(request) else book
        try:
            take_booking(guest)
        except CalendarError:
            answer = "Sorry, nothing was booked."
        else:
            answer = "See you at the wheel!"
        result = {
            "The guest reads": answer,
            "In the database": Booking.objects.filter(guest=guest).first() or "no booking",
        }
    return scenario_page(request, "half-way", result=result)


@get_or_post
def unimported(request: HttpRequest) -> HttpResponse:
    result = None
    if request.method == "POST":
        signal = workshop_published if _is_repaired(request) else workshop_announced
        responses = signal.send(sender=Booking, title="Bowls in an afternoon")
        result = {"Workshop": "Bowls in an afternoon", "Readers told": len(responses)}
    return scenario_page(request, "unimported", result=result)


@get_or_post
def stock_list(request: HttpRequest) -> HttpResponse:
    result = None
    if request.method == "POST":
        sample_data.discontinued_product()
        items = StockItem.objects.all()
        if _is_repaired(request):
            items = items.select_related("product")
        stock_counted.send(sender=StockItem, items=items)
        result = {"Counted": f"{StockItem.objects.count()} shelves", "List": "mailed"}
    return scenario_page(request, "stock-list", result=result)


@get_or_post
def saves(request: HttpRequest) -> HttpResponse:
    result = None
    product = Product.objects.filter(name=sample_data.TO_REVISE).first()
    if request.method == "POST" and product:
        price, _, description = sample_data.PRODUCTS[sample_data.TO_REVISE]
        revise = revise_at_once if _is_repaired(request) else revise_step_by_step
        revise(product, name=product.name, description=description, price=Decimal(price))
        result = {"Saved": f"{product}, {product.price} €"}
    return scenario_page(request, "saves", result=result, product=product)


@get_or_post
def twice(request: HttpRequest) -> HttpResponse:
    result = None
    if request.method == "POST":
        review = Review(product=sample_data.discontinued_product(), stars=5, text="Again!")
        signal = review_published if _is_repaired(request) else review_written
        responses = signal.send(sender=Review, review=review)
        result = {"Review": str(review), "Mails": len(responses)}
    return scenario_page(request, "twice", result=result)


@get_or_post
def fragile(request: HttpRequest) -> HttpResponse:
    result = None
    if request.method == "POST":
        opened = kiln_opened.send(sender=None)
        with production():
            connect_notice(kiln_closed)
        closed = kiln_closed.send(sender=None)
        result = {
            "Connected with DEBUG = True": _what_they_said(opened),
            "Connected with DEBUG = False": _what_they_said(closed),
        }
    return scenario_page(request, "fragile", result=result)


def _what_they_said(responses: list[tuple[object, str]]) -> str:
    return ", ".join(response for _, response in responses) or "nobody heard of it"


@get_or_post
def stocktaking(request: HttpRequest) -> HttpResponse:
    result = None
    shelves = list(StockItem.objects.select_related("product"))
    if request.method == "POST" and shelves:
        times = 1200 if request.POST.get("times") == "1200" else 200
        for number in range(times):
            item = shelves[number % len(shelves)]
            # Every tenth shelf has a torn label; each label and each count is one save.
            saved = item.product if number % 10 == 9 else item
            saved.save()
        result = {"Counted": f"{times} times on {len(shelves)} shelves"}
    return scenario_page(request, "stocktaking", result=result)


def _choice(request: HttpRequest, slug: str) -> str:
    """The label of the button that was pressed, where there are several."""
    scenario = BY_SLUG[slug]
    return dict(scenario.choices).get(request.POST.get("choice", ""), scenario.button)


@get_or_post
def four_ways(request: HttpRequest) -> HttpResponse:
    result = None
    if request.method == "POST":
        customer, product = sample_data.customer_with_account(), sample_data.made_to_order()
        with noting_mails() as mailed:
            match request.POST.get("choice"):
                case "save":
                    commission = WithSave.objects.create(
                        customer=customer, product=product, number=new_number()
                    )
                case "service":
                    commission = take(customer, product)
                case "task":
                    commission = take_and_enqueue(customer, product)
                case _:
                    commission = write(ForReceiver, customer, product, new_number())
        result = {
            "How": _choice(request, "four-ways"),
            "Written down": str(commission),
            "Spent by now": Account.objects.get(customer=customer),
            "Mails in this request": len(mailed),
            "Left to the worker": len(queue),
        }
    return scenario_page(request, "four-ways", result=result)


@get_or_post
def five_steps(request: HttpRequest) -> HttpResponse:
    result = None
    if request.method == "POST":
        customer, product = sample_data.customer_with_account(), sample_data.made_to_order()
        with noting_mails() as mailed:
            match request.POST.get("choice"):
                case "1":
                    commission = write(ConnectedOnce, customer, product)
                case "2":
                    commission = write(SavedOnce, customer, product, new_number())
                case "3":
                    commission = write(Light, customer, product, new_number())
                case "4":
                    commission = write(AfterCommit, customer, product, new_number())
                case "5":
                    commission = take_and_tell(customer, product)
                case _:
                    commission = write(AsFound, customer, product)
        result = {
            "How": _choice(request, "five-steps"),
            "Written down": str(commission),
            "Spent by now": Account.objects.get(customer=customer),
            "Mails in this request": len(mailed),
        }
    return scenario_page(request, "five-steps", result=result)


@get_or_post
def nothing(request: HttpRequest) -> HttpResponse:
    return scenario_page(request, "nothing")
