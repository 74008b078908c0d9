from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver

from shop.models import Order


@receiver(post_save, sender=Order, dispatch_uid="shop.send_receipt")
def send_receipt(instance: Order, created: bool, **kwargs: Any) -> None:
    """A receipt for each new order."""
    if created:
        print(f"receipt for {instance.number}")
