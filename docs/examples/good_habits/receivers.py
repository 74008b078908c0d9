from typing import Any

from django.db import transaction
from django.db.models.signals import post_save
from django.dispatch import receiver

from good_habits import warehouse
from good_habits.models import Order, Parcel
from good_habits.receipts import mail_receipts
from good_habits.signals import order_placed


@receiver(order_placed, dispatch_uid="good_habits.mail_receipt")
def mail_receipt(order: Order, **kwargs: Any) -> None:
    """The customer wants a receipt for the tax office."""
    mail_receipts([order])


@receiver(post_save, sender=Parcel, dispatch_uid="good_habits.announce_parcel")
def announce_parcel(instance: Parcel, created: bool, raw: bool, using: str, **kwargs: Any) -> None:
    """The packers see a new parcel on their screen."""
    if created and not raw:
        number = instance.pk
        transaction.on_commit(lambda: warehouse.announce(number), using=using, robust=True)
