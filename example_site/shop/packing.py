"""Packing an order: its slip is printed by a worker meanwhile."""

from typing import TYPE_CHECKING

from django.db import transaction

from shop.models import Order
from shop.signals import order_packed
from warehouse import printer

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def pack(customer: "User", *, phone: str, wait_for_commit: bool) -> tuple[Order, bool]:
    """Store an order, and have its slip printed.

    Gives the order, and whether the printer had begun before the commit.
    """
    with transaction.atomic():
        order = Order.objects.create(customer=customer, phone=phone)
        order_packed.send(sender=Order, order=order, wait_for_commit=wait_for_commit)
        # What else there is to do takes longer than a worker needs to begin.
        printer.wait_for(order.pk)
        too_early = printer.has_begun(order.pk)
    return order, too_early
