"""One step sends the signal that the next step waits for."""

from typing import Any

from django.dispatch import Signal, receiver

from shop.models import Order

order_accepted, stock_reserved, order_packed, label_printed = (Signal() for _ in range(4))


@receiver(order_accepted)
def reserve_stock(order: Order, **kwargs: Any) -> None:
    """Step 1"""
    stock_reserved.send(Order, order=order)


@receiver(stock_reserved)
def pack(order: Order, **kwargs: Any) -> None:
    """Step 2"""
    order_packed.send(Order, order=order)


@receiver(order_packed)
def print_label(order: Order, **kwargs: Any) -> None:
    """Step 3"""
    label_printed.send(Order, order=order)


@receiver(label_printed)
def call_the_courier(order: Order, **kwargs: Any) -> None:
    """Step 4"""
    print(f"{order} is on its way")
