"""What the shop does when something happens to a product or to an order."""

from functools import partial
from typing import Any

from django.core.cache import cache
from django.core.mail import send_mail
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from shop.models import Order, Product
from shop.signals import order_paid


@receiver(post_save, sender=Product, dispatch_uid="shop.forget_page_on_save")
@receiver(post_delete, sender=Product, dispatch_uid="shop.forget_page_on_delete")
def forget_page(instance: Product, **kwargs: Any) -> None:
    """The page in the cache is no longer right; a fixture (raw) may change it too."""
    cache.delete(f"product:{instance.pk}")


@receiver(order_paid, dispatch_uid="shop.send_receipt")
def send_receipt(order: Order, **kwargs: Any) -> None:
    """The customer wants a receipt, once the payment is there for good."""
    text = f"{order}: {order.product}"
    transaction.on_commit(partial(send_mail, "Your receipt", text, None, [order.email]))


@receiver(order_paid, dispatch_uid="shop.tell_warehouse")
def tell_warehouse(order: Order, **kwargs: Any) -> None:
    """What is paid is packed."""
    print("to be packed:", order)
