from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver

from connecting.models import Order


@receiver(post_save, sender=Order, dispatch_uid="connecting.send_receipt")
def send_receipt(instance: Order, created: bool, **kwargs: Any) -> None:
    """A receipt for each new order."""
    if created:
        print(f"receipt for {instance.number}")
