"""What a habit would have prevented. `shown.py` connects these for one trace each."""

from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import F

from good_habits import warehouse
from good_habits.models import Customer, Order, Parcel
from good_habits.signals import order_placed


def count_order(instance: Order, created: bool, **kwargs: Any) -> None:
    """Keep the number of a customer's orders."""
    if created:
        Customer.objects.filter(pk=instance.customer_id).update(order_count=F("order_count") + 1)


def add_tax(instance: Order, **kwargs: Any) -> None:
    """No order without its tax."""
    instance.tax = instance.net * Decimal("0.2")


def announce_parcel(instance: Parcel, **kwargs: Any) -> None:
    """Two callbacks, of which the first fails."""
    transaction.on_commit(lambda: warehouse.order_label(instance.pk))
    transaction.on_commit(lambda: warehouse.announce(instance.pk))


def announce_parcel_robustly(instance: Parcel, **kwargs: Any) -> None:
    """Two callbacks, neither of which needs the other."""
    transaction.on_commit(lambda: warehouse.order_label(instance.pk), robust=True)
    transaction.on_commit(lambda: warehouse.announce(instance.pk), robust=True)


def connect_counter() -> None:
    def count_visit(order: Order, **kwargs: Any) -> None:
        print(f"counted: {order}")

    order_placed.connect(count_visit, sender=Order, weak=False)


def connect_counter_once() -> None:
    def count_visit(order: Order, **kwargs: Any) -> None:
        print(f"counted: {order}")

    order_placed.connect(
        count_visit, sender=Order, weak=False, dispatch_uid="good_habits.count_visit"
    )
