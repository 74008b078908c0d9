"""Receivers that are made by functions, and what becomes of them."""

from typing import Any

from shop.models import Order
from shop.signals import order_shipped


def connect_courier(name: str) -> None:
    def hand_over(order: Order, **kwargs: Any) -> None:
        print(f"{name} takes {order.number}")

    order_shipped.connect(hand_over, sender=Order)


def connect_courier_and_keep_it(name: str) -> None:
    def hand_over(order: Order, **kwargs: Any) -> None:
        print(f"{name} takes {order.number}")

    order_shipped.connect(hand_over, sender=Order, weak=False)


def connect_courier_once(name: str) -> None:
    def hand_over(order: Order, **kwargs: Any) -> None:
        print(f"{name} takes {order.number}")

    order_shipped.connect(hand_over, sender=Order, weak=False, dispatch_uid=f"shop.courier.{name}")


def count_parcel(order: Order, **kwargs: Any) -> None:
    print(f"counted {order.number}")


def weigh_parcel(order: Order, **kwargs: Any) -> None:
    print(f"weighed {order.number}")
