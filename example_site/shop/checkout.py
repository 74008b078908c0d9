"""Checking out: what happens between "Place the order" and "Thank you"."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.db import transaction

from shop.models import Order, OrderLine, Product
from shop.signals import order_placed

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def place_order(
    customer: "User", basket: Sequence[tuple[Product, int]], *, phone: str, card_number: str
) -> Order:
    """Store the order, then tell whoever waits for one.

    ``order_placed`` is sent after the transaction, so that no receiver acts on an order that is
    rolled back, and with ``send_robust``, so that no receiver can lose us the sale.
    """
    with transaction.atomic():
        order = Order.objects.create(customer=customer, phone=phone)
        for product, quantity in basket:
            OrderLine.objects.create(
                order=order, product=product, quantity=quantity, unit_price=product.price
            )
    order_placed.send_robust(sender=Order, order=order, total=order.total, card_number=card_number)
    return order
