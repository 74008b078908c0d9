from typing import Any

from django.dispatch import receiver

from shop.models import Order, order_paid


@receiver(order_paid)
def tell_warehouse(order: Order, **kwargs: Any) -> None:
    print("to be packed:", order)
