from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver

from shop.models import Invoice, Order


@receiver(post_save, sender=Order, dispatch_uid="shop.write_invoice")
def write_invoice(instance: Order, created: bool, raw: bool, **kwargs: Any) -> None:
    """An invoice for each new order."""
    if created and not raw:
        Invoice.objects.create(order=instance)
