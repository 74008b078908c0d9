from decimal import Decimal
from typing import Any

from django.core.mail import send_mail
from django.dispatch import receiver

from shop.models import Order
from shop.signals import offers_wanted, order_paid


@receiver(order_paid, sender=Order, dispatch_uid="shop.book")
def book(order: Order, amount: Decimal, **kwargs: Any) -> None:
    """An entry in the books."""
    print(f"booked {amount} for {order}")


@receiver(order_paid, sender=Order, dispatch_uid="shop.send_receipt")
def send_receipt(order: Order, **kwargs: Any) -> None:
    """A receipt by mail."""
    if not order.email:
        raise ValueError(f"no address for {order}")
    send_mail("Receipt", f"Thank you for {order}.", None, [order.email])


@receiver(order_paid, sender=Order, dispatch_uid="shop.tell_the_warehouse")
def tell_the_warehouse(order: Order, **kwargs: Any) -> None:
    """The warehouse may pack it."""
    print(f"{order} may be packed")


@receiver(offers_wanted, sender=Order, dispatch_uid="shop.post_office")
def post_office(order: Order, **kwargs: Any) -> Decimal:
    """One price for all."""
    return Decimal("6.90")


@receiver(offers_wanted, sender=Order, dispatch_uid="shop.cargo_bike")
def cargo_bike(order: Order, **kwargs: Any) -> Decimal | None:
    """Nothing heavy by bike."""
    return None if order.number.startswith("X") else Decimal("4.50")
