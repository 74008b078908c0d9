from typing import Any

from django.core.mail import send_mail
from django.db.models.signals import post_save
from django.dispatch import receiver

from shop.models import Invoice, Order
from shop.signals import order_placed


@receiver(post_save, sender=Order, dispatch_uid="shop.write_invoice")
def write_invoice(instance: Order, created: bool, raw: bool, **kwargs: Any) -> None:
    """An invoice for each new order."""
    if created and not raw:
        invoice = Invoice.objects.create(order=instance)
        order_placed.send_robust(Order, order=instance, invoice=invoice)


@receiver(order_placed, dispatch_uid="shop.send_receipt")
def send_receipt(order: Order, **kwargs: Any) -> None:
    """The receipt, by mail."""
    if not order.email:
        raise ValueError(f"{order} has no address")
    send_mail("Your receipt", f"{order.total} EUR", None, [order.email])
