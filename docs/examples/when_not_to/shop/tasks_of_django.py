"""The same with the tasks of Django 6.0 and newer."""

from functools import partial

from django.db import transaction
from django.tasks import task

from shop.models import Order
from shop.work import confirm, take_from_stock


@task
def confirm_order(pk: int) -> None:
    confirm(Order.objects.get(pk=pk))


def place_order(product, quantity, email):
    with transaction.atomic():
        order = Order.objects.create(product=product, quantity=quantity, email=email)
        take_from_stock(order)
        transaction.on_commit(partial(confirm_order.enqueue, order.pk))
    return order
