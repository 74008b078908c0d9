"""What the page "Debugging recipes" shows."""

from contextlib import suppress

from django.db.models.signals import post_save, pre_save
from django.test import TestCase, override_settings

from shop import mistakes
from shop.checkout import SoldOutError, pay, pay_and_go_on, place, place_the_last_one
from shop.models import Item, Order, Product
from shop.signals import order_paid

ADDRESS = "ada@example.com"


def import_orders() -> None:
    """Orders are imported."""
    Order.objects.bulk_create([Order(email=ADDRESS), Order(email=ADDRESS)])


def import_orders_one_by_one() -> None:
    """Orders are imported one by one."""
    for _ in range(2):
        Order.objects.create(email=ADDRESS)


def before_twice() -> Order:
    mistakes.connect_twice()
    return Order.objects.create(email=ADDRESS)


def twice(order: Order) -> None:
    """Connected to any sender, and to one."""
    pay(order)


def before_once() -> Order:
    mistakes.connect_once()
    return Order.objects.create(email=ADDRESS)


def once(order: Order) -> None:
    """Connected to one sender."""
    pay(order)


def too_late() -> None:
    """A module of receivers is imported by a view."""
    place(ADDRESS)
    mistakes.connect_greeting_late()


def before_in_time() -> None:
    mistakes.connect_greeting_late()


def in_time() -> None:
    """It is imported in ready()."""
    place(ADDRESS)


def before_too_early() -> None:
    post_save.connect(mistakes.greet, sender=Order)


def too_early() -> None:
    """The last one is sold out."""
    with suppress(SoldOutError):
        place_the_last_one(ADDRESS)


def before_after_commit() -> None:
    post_save.connect(mistakes.greet_after_commit, sender=Order)


def after_commit() -> None:
    """The mail waits for the commit."""
    with suppress(SoldOutError):
        place_the_last_one(ADDRESS)


def _order_of_six() -> Order:
    order = Order.objects.create(email=ADDRESS)
    for name in ("mug", "bowl", "plate", "jug", "vase", "cup"):
        Item.objects.create(order=order, product=Product.objects.create(name=name))
    return order


def before_slow() -> Order:
    order_paid.connect(mistakes.count_stock, sender=Order)
    return _order_of_six()


def slow(order: Order) -> None:
    """A receiver goes through a list."""
    pay(order)


@override_settings(DEBUG=True)
def before_here() -> Order:
    mistakes.connect_report()
    return Order.objects.create(email=ADDRESS)


def here(order: Order) -> None:
    """Connected while DEBUG is True."""
    pay(order)


def before_in_production() -> Order:
    mistakes.connect_report()
    return Order.objects.create(email=ADDRESS)


def in_production(order: Order) -> None:
    """Connected while DEBUG is False."""
    pay(order)


def save_an_order() -> None:
    """An order is saved."""
    place(ADDRESS)


def before_quick() -> Order:
    order_paid.connect(mistakes.count_stock_at_once, sender=Order)
    return _order_of_six()


def quick(order: Order) -> None:
    """One query for all."""
    pay(order)


def before_swallowed() -> Order:
    order_paid.connect(mistakes.charge_card, sender=Order)
    return Order.objects.create(email=ADDRESS)


def swallowed(order: Order) -> None:
    """A card is charged, or not."""
    pay_and_go_on(order)


def before_for_ever() -> None:
    post_save.connect(mistakes.add_shipping, sender=Order)


def for_ever() -> None:
    """A receiver saves what was saved."""
    place(ADDRESS)


def before_ends() -> None:
    pre_save.connect(mistakes.add_shipping_before, sender=Order)


def ends() -> None:
    """A receiver sets what will be saved."""
    place(ADDRESS)


class OrderTest(TestCase):
    def test_a_mail_is_sent(self) -> None:
        place(ADDRESS)


def before_in_a_test() -> None:
    post_save.connect(mistakes.greet_after_commit, sender=Order)


def in_a_test() -> None:
    """A TestCase saves an order."""
    OrderTest("test_a_mail_is_sent").debug()


def before_yesterday() -> Order:
    order_paid.connect(mistakes.report_sale, sender=Order)
    return Order.objects.create(email=ADDRESS)


def yesterday(order: Order) -> None:
    """Yesterday."""
    pay(order)


before_told = before_swallowed


def told(order: Order) -> None:
    """The sender looks at the answers."""
    for receiver, answer in order_paid.send_robust(Order, order=order):
        if isinstance(answer, Exception):
            print(f"{receiver.__name__}: {answer}")


def before_today() -> Order:
    return Order.objects.create(email=ADDRESS)


def today(order: Order) -> None:
    """Today."""
    pay(order)
