"""What the page "Connecting and disconnecting receivers" shows."""

from django.test import override_settings

from shop import couriers
from shop.models import GiftOrder, Order
from shop.signals import order_shipped


def saved() -> None:
    """An order is saved."""
    Order.objects.create(number="A-1")


def before_in_development() -> None:
    with override_settings(DEBUG=True):
        couriers.connect_courier("Ada")


def in_development() -> None:
    """DEBUG = True"""
    order_shipped.send(Order, order=Order(number="A-1"))


def before_in_production() -> None:
    with override_settings(DEBUG=False):
        couriers.connect_courier("Ada")


def in_production() -> None:
    """DEBUG = False"""
    order_shipped.send(Order, order=Order(number="A-1"))


def before_kept() -> None:
    couriers.connect_courier_and_keep_it("Ada")


def kept() -> None:
    """weak=False"""
    order_shipped.send(Order, order=Order(number="A-1"))


def before_connected_twice() -> None:
    couriers.connect_courier_and_keep_it("Ada")
    couriers.connect_courier_and_keep_it("Ada")


def connected_twice() -> None:
    """Connected in a function that ran twice."""
    order_shipped.send(Order, order=Order(number="A-1"))


def before_connected_once() -> None:
    couriers.connect_courier_once("Ada")
    couriers.connect_courier_once("Ada")


def connected_once() -> None:
    """The same, with a dispatch_uid."""
    order_shipped.send(Order, order=Order(number="A-1"))


def one_name_for_two() -> None:
    """Two receivers are connected under one dispatch_uid."""
    order_shipped.connect(couriers.count_parcel, sender=Order, dispatch_uid="shop.parcel")
    order_shipped.connect(couriers.weigh_parcel, sender=Order, dispatch_uid="shop.parcel")
    order_shipped.send(Order, order=Order(number="A-1"))


def saved_as_a_proxy() -> None:
    """A gift order is saved."""
    GiftOrder.objects.create(number="G-1")


def before_not_disconnected() -> None:
    order_shipped.connect(couriers.count_parcel, sender=Order, dispatch_uid="shop.count")


def not_disconnected() -> None:
    """Disconnected without its dispatch_uid."""
    order_shipped.disconnect(couriers.count_parcel, sender=Order)
    order_shipped.send(Order, order=Order(number="A-1"))


before_disconnected = before_not_disconnected


def disconnected() -> None:
    """Disconnected with its dispatch_uid."""
    order_shipped.disconnect(sender=Order, dispatch_uid="shop.count")
    order_shipped.send(Order, order=Order(number="A-1"))
