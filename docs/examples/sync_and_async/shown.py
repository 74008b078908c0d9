"""What the page "Sync and async" shows."""

from delivery.models import Parcel
from delivery.signals import parcel_delivered


def before_by_asend() -> Parcel:
    return Parcel.objects.bulk_create([Parcel(number="A-1")])[0]


async def by_asend(parcel: Parcel) -> None:
    """asend() in async code"""
    await parcel_delivered.asend(Parcel, parcel=parcel)


before_by_send = before_by_asend


def by_send(parcel: Parcel) -> None:
    """send() in sync code"""
    parcel_delivered.send(Parcel, parcel=parcel)


def before_on_the_loop() -> Parcel:
    # It would be the first to fail: there, a sync receiver may not use the database.
    parcel_delivered.disconnect(sender=Parcel, dispatch_uid="delivery.book")
    return before_by_asend()


async def on_the_loop(parcel: Parcel) -> None:
    """send() in async code"""
    parcel_delivered.send(Parcel, parcel=parcel)


async def saved() -> None:
    """acreate(), and an async receiver of post_save."""
    await Parcel.objects.acreate(number="A-1")
