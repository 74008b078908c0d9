from decimal import Decimal
from functools import partial
from typing import Literal

from django.db import transaction

from shop.models import Order
from shop.signals import order_paid


def pay(order: Order, amount: Decimal, paid_by: Literal["card", "transfer"]) -> None:
    """The one place that sends order_paid."""
    with transaction.atomic():
        order.paid = True
        order.save(update_fields=["paid"])
        transaction.on_commit(
            partial(
                order_paid.send_robust,
                sender=Order,
                order=order,
                amount=amount,
                paid_by=paid_by,
            )
        )
