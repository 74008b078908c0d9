from django.db import transaction

from shop.models import Order
from shop.signals import order_paid


class SoldOutError(Exception):
    pass


def place(email: str) -> Order:
    return Order.objects.create(email=email, total=20)


def place_the_last_one(email: str) -> None:
    """What is sold out is not sold."""
    with transaction.atomic():
        place(email)
        raise SoldOutError


def pay(order: Order) -> None:
    order_paid.send(Order, order=order)


def pay_and_go_on(order: Order) -> None:
    order_paid.send_robust(Order, order=order)
