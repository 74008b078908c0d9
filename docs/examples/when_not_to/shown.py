"""What the page "When not to use signals, and what instead" shows."""

from collections.abc import Callable

from django.core import mail
from django.db import transaction
from django.db.models import Model
from django.test import RequestFactory

from by_manager.models import Order as ByManager
from by_receiver.models import Order as ByReceiver
from by_save.models import Order as BySave
from by_trigger.models import Order as ByTrigger
from shop import bus, services, tasks, views
from shop.middleware import confirm_orders
from shop.models import Order, Product
from shop.outbox import relay

EMAIL = "ada@example.com"


def _teapot() -> Product:
    mail.outbox = []
    return Product.objects.create(name="Teapot", stock=10)


def _print_what_came_of(orders: type[Model], product: Product) -> None:
    stock = Product.objects.values_list("stock", flat=True).get(pk=product.pk)
    print(f"orders: {orders.objects.count()}  teapots: {stock} of 10  mails: {len(mail.outbox)}")


# One order.


def only_the_order(product: Product) -> None:
    """Only the order."""
    Order.objects.create(product=product, quantity=2, email=EMAIL)


def receiver(product: Product) -> None:
    """A receiver."""
    ByReceiver.objects.create(product=product, quantity=2, email=EMAIL)


def save(product: Product) -> None:
    """save()."""
    BySave.objects.create(product=product, quantity=2, email=EMAIL)


def manager(product: Product) -> None:
    """A manager."""
    ByManager.objects.place(product=product, quantity=2, email=EMAIL)


def service(product: Product) -> None:
    """A service."""
    services.place_order(product, 2, EMAIL)


def on_commit(product: Product) -> None:
    """on_commit()."""
    services.place_and_mail_after_commit(product, 2, EMAIL)


def task(product: Product) -> None:
    """A task."""
    services.place_and_enqueue_the_mail(product, 2, EMAIL)


def trigger(product: Product) -> None:
    """A trigger."""
    ByTrigger.objects.create(product=product, quantity=2, email=EMAIL)


def outbox(product: Product) -> None:
    """An outbox."""
    services.place_and_write_a_message(product, 2, EMAIL)


before_only_the_order = before_receiver = before_save = before_manager = _teapot
before_service = before_on_commit = before_task = before_trigger = before_outbox = _teapot


# What the worker, the relay and the subscriber do later.


def before_worker() -> Order:
    return services.place_and_enqueue_the_mail(_teapot(), 2, EMAIL)


def worker(order: Order) -> None:
    """The worker, a moment later."""
    # As a worker does it with what it finds in the queue.
    tasks.confirm_order.apply((order.pk,))


def before_relay_and_subscriber() -> Order:
    return services.place_and_write_a_message(_teapot(), 2, EMAIL)


def relay_and_subscriber() -> None:
    """The relay, and who has subscribed."""
    relay(bus.publish)
    print(f"mails: {len(mail.outbox)}")


# Three orders at once.


def _three(orders: type[Model], product: Product) -> list[Model]:
    return [orders(product=product, quantity=1, email=EMAIL) for _ in range(3)]


def three_for_a_receiver(product: Product) -> None:
    """A receiver, and bulk_create()."""
    ByReceiver.objects.bulk_create(_three(ByReceiver, product))
    _print_what_came_of(ByReceiver, product)


def three_for_save(product: Product) -> None:
    """save(), and bulk_create()."""
    BySave.objects.bulk_create(_three(BySave, product))
    _print_what_came_of(BySave, product)


def three_for_a_manager(product: Product) -> None:
    """A manager that knows of several."""
    ByManager.objects.place_all(_three(ByManager, product))
    _print_what_came_of(ByManager, product)


def three_for_a_trigger(product: Product) -> None:
    """A trigger, and bulk_create()."""
    ByTrigger.objects.bulk_create(_three(ByTrigger, product))
    _print_what_came_of(ByTrigger, product)


before_three_for_a_receiver = before_three_for_save = _teapot
before_three_for_a_manager = before_three_for_a_trigger = _teapot


def before_three_in_a_request() -> None:
    mail.outbox = []
    for name in ("Teapot", "Mug", "Vase"):
        Product.objects.create(name=name, stock=10)


def three_in_a_request() -> None:
    """A middleware, and three orders in one request."""
    request = RequestFactory().post("/buy/", {"email": EMAIL, "product": ["Teapot", "Mug", "Vase"]})
    confirm_orders(views.buy)(request)
    print(f"orders: {Order.objects.count()}  mails: {len(mail.outbox)}")


# What a failure after the order leaves behind.


class CardRefusedError(Exception):
    pass


def _try_to_sell(place: Callable[[], object]) -> None:
    try:
        with transaction.atomic():
            place()
            raise CardRefusedError
    except CardRefusedError:
        pass


def refused_after_a_receiver(product: Product) -> None:
    """A receiver, and the card is refused."""
    _try_to_sell(lambda: ByReceiver.objects.create(product=product, quantity=2, email=EMAIL))
    _print_what_came_of(ByReceiver, product)


def refused_after_on_commit(product: Product) -> None:
    """on_commit(), and the card is refused."""
    _try_to_sell(lambda: services.place_and_mail_after_commit(product, 2, EMAIL))
    _print_what_came_of(Order, product)


before_refused_after_a_receiver = before_refused_after_on_commit = _teapot
