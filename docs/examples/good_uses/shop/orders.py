from django.db import transaction

from shop.models import Order, Product
from shop.signals import order_placed


class SoldOutError(Exception):
    """There is none left."""


def place_order(product: Product, email: str, left: int) -> Order:
    with transaction.atomic():
        order = Order.objects.create(product=product, email=email)
        order_placed.send(sender=Order, order=order)
        if left < 1:
            raise SoldOutError(product.name)
    return order
