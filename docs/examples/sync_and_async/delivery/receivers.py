import asyncio
from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver

from delivery.models import Entry, Parcel
from delivery.signals import parcel_delivered


@receiver(parcel_delivered, sender=Parcel, dispatch_uid="delivery.text_customer")
async def text_customer(parcel: Parcel, **kwargs: Any) -> None:
    """Asks a gateway, which takes its time."""
    await asyncio.sleep(0.02)


@receiver(parcel_delivered, sender=Parcel, dispatch_uid="delivery.update_map")
async def update_map(parcel: Parcel, **kwargs: Any) -> None:
    """Asks another one."""
    await asyncio.sleep(0.02)


@receiver(parcel_delivered, sender=Parcel, dispatch_uid="delivery.book")
def book(parcel: Parcel, **kwargs: Any) -> None:
    """An entry in the books."""
    Entry.objects.create(text=f"{parcel} delivered")


@receiver(post_save, sender=Parcel, dispatch_uid="delivery.greet")
async def greet(instance: Parcel, created: bool, **kwargs: Any) -> None:
    """A receiver of save(), which is async."""
    if created:
        await Entry.objects.acreate(text=f"{instance} is new")
