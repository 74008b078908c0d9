"""The function that views, commands, the API and the admin call to place an order."""

from functools import partial

from django.db import transaction

from shop.models import Message, Order, Product
from shop.tasks import confirm_order
from shop.work import confirm, take_from_stock


def place_order(product: Product, quantity: int, email: str) -> Order:
    with transaction.atomic():
        order = Order.objects.create(product=product, quantity=quantity, email=email)
        take_from_stock(order)
    confirm(order)
    return order


def place_and_mail_after_commit(product: Product, quantity: int, email: str) -> Order:
    with transaction.atomic():
        order = Order.objects.create(product=product, quantity=quantity, email=email)
        take_from_stock(order)
        transaction.on_commit(partial(confirm, order), robust=True)
    return order


def place_and_enqueue_the_mail(product: Product, quantity: int, email: str) -> Order:
    with transaction.atomic():
        order = Order.objects.create(product=product, quantity=quantity, email=email)
        take_from_stock(order)
        transaction.on_commit(partial(confirm_order.delay, order.pk))
    return order


def place_and_write_a_message(product: Product, quantity: int, email: str) -> Order:
    with transaction.atomic():
        order = Order.objects.create(product=product, quantity=quantity, email=email)
        take_from_stock(order)
        Message.objects.create(topic="order-placed", body={"order": order.pk})
    return order
