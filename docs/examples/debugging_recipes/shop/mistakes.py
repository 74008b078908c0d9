"""Receivers with a mistake, and without it. Each recipe connects the one that it is about."""

from typing import Any

from django.core.mail import send_mail
from django.db import transaction
from django.db.models import F
from django.db.models.signals import post_save

from shop.models import Item, Order, Product
from shop.signals import order_paid


def send_receipt(order: Order, **kwargs: Any) -> None:
    """The receipt, by mail."""
    send_mail("Your receipt", f"{order.total} EUR", None, [order.email])


def connect_twice() -> None:
    order_paid.connect(send_receipt)
    order_paid.connect(send_receipt, sender=Order)


def connect_once() -> None:
    order_paid.connect(send_receipt, sender=Order)


def greet(instance: Order, created: bool, **kwargs: Any) -> None:
    """A mail for each new order."""
    if created:
        send_mail("Thank you", "We have your order.", None, [instance.email])


def greet_after_commit(instance: Order, created: bool, using: str, **kwargs: Any) -> None:
    """A mail for each new order that is kept."""
    if created:
        transaction.on_commit(lambda: greet(instance=instance, created=True), using=using)


def count_stock(order: Order, **kwargs: Any) -> None:
    """One less of each product, one query at a time."""
    for item in Item.objects.filter(order=order):
        Product.objects.filter(pk=item.product.pk).update(stock=item.product.stock - 1)


def count_stock_at_once(order: Order, **kwargs: Any) -> None:
    """One less of each product, in one query."""
    Product.objects.filter(item__order=order).update(stock=F("stock") - 1)


def charge_card(order: Order, **kwargs: Any) -> None:
    """Ask the bank."""
    raise ConnectionError("the bank does not answer")


def connect_report() -> None:
    def report_sale(order: Order, **kwargs: Any) -> None:
        """Tell the accountants."""

    order_paid.connect(report_sale, sender=Order)


def report_sale(order: Order, **kwargs: Any) -> None:
    """Tell the accountants."""


def add_shipping(instance: Order, **kwargs: Any) -> None:
    """The total grows with each save, and each save is heard here."""
    instance.total += 5
    instance.save()


def add_shipping_before(instance: Order, **kwargs: Any) -> None:
    """For pre_save: nothing is saved here, so nothing is heard again."""
    if instance._state.adding:
        instance.total += 5


def connect_greeting_late() -> None:
    post_save.connect(greet, sender=Order)
