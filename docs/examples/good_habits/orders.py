import logging
from decimal import Decimal

from django.db import transaction

from good_habits.models import Customer, Order
from good_habits.signals import order_placed

logger = logging.getLogger("shop")


def place_order(customer: Customer, net: Decimal) -> Order:
    with transaction.atomic():
        order = Order.objects.create(customer=customer, net=net, tax=net / 5)
    for receiver, answer in order_placed.send_robust(sender=Order, order=order):
        if isinstance(answer, Exception):
            logger.error("%s: %s failed: %s", order, receiver.__qualname__, answer)
    return order
