"""Setting goods aside: all of them or none."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from django.db import transaction

from shop.models import Order, OrderLine, Product
from shop.signals import goods_reserved

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class SoldOutError(Exception):
    """One of the goods is not there in the quantity asked for."""


def reserve(
    customer: "User", quantities: Mapping[Product, int], *, phone: str, wait_for_commit: bool
) -> Order:
    """Store an order, tell whoever waits for it, then see whether all of it is there.

    Raises ``SoldOutError`` if it is not. The order is gone then, and the receivers have run.
    """
    with transaction.atomic():
        order = Order.objects.create(customer=customer, phone=phone)
        goods_reserved.send(sender=Order, order=order, wait_for_commit=wait_for_commit)
        for product, quantity in quantities.items():
            if product.stock.quantity < quantity:
                raise SoldOutError(f"Only {product.stock.quantity} of {product} are left.")
            OrderLine.objects.create(
                order=order, product=product, quantity=quantity, unit_price=product.price
            )
    return order
