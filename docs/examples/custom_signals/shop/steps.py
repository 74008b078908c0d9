"""The same steps, called by one function. Others hear of the end."""

from typing import Any

from django.dispatch import Signal, receiver

from shop.models import Order

order_sent = Signal()


def fulfil(order: Order) -> None:
    """Everything that is done for an order that was accepted, in this order."""
    reserve_stock(order)
    pack(order)
    print_label(order)
    call_the_courier(order)
    order_sent.send_robust(Order, order=order)


def reserve_stock(order: Order) -> None: ...
def pack(order: Order) -> None: ...
def print_label(order: Order) -> None: ...


def call_the_courier(order: Order) -> None:
    print(f"{order} is on its way")


@receiver(order_sent, sender=Order, dispatch_uid="shop.steps.tell_the_customer")
def tell_the_customer(order: Order, **kwargs: Any) -> None:
    """What the customer sees of it."""
