from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import F
from django.dispatch import Signal, receiver

from shop.models import Customer, Order, Product, new_number
from shop.others import charge, mail

# An order is paid and committed. Sender: Order. Arguments: order.
order_placed = Signal()


def place_order(customer: Customer, product: Product) -> Order:
    with transaction.atomic():
        order = Order(customer=customer, product=product, number=new_number())
        order.save()
        spent = F("spent") + product.price
        Customer.objects.filter(pk=customer.pk).update(spent=spent)
        charge(order)
        transaction.on_commit(partial(order_placed.send_robust, Order, order=order))
    return order


@receiver(order_placed, dispatch_uid="shop.confirm_order")
def confirm_order(order: Order, **kwargs: Any) -> None:
    """Mail what was ordered. If that fails, the log of django.dispatch says so."""
    mail(order)
