from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver

from by_receiver.models import Order
from shop.work import confirm, take_from_stock


@receiver(post_save, sender=Order, dispatch_uid="by_receiver.after_an_order")
def after_an_order(instance: Order, created: bool, raw: bool, **kwargs: Any) -> None:
    """Take what was ordered from the stock, and confirm it by mail."""
    if created and not raw:
        take_from_stock(instance)
        confirm(instance)
