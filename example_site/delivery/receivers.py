"""What happens to a parcel, all of it asynchronous.

None of these uses ``sync_to_async`` (and so none the database): Django 6.1 runs the async
receivers of a dispatch in one shared context, where two that do so at the same time fail with
"Single thread executor already being used, would deadlock".
"""

from django.dispatch import receiver

from delivery import services
from delivery.models import Parcel
from delivery.signals import parcel_handed_over, pickup_booked, tracking_opened


@receiver(parcel_handed_over, dispatch_uid="delivery.book_pickup")
async def book_pickup(sender: type[Parcel], *, parcel: Parcel, town: str, **kwargs: object) -> str:
    """Ask the carrier for a van, then say when it comes."""
    window = await services.ask_carrier(town)
    await pickup_booked.asend(sender=Parcel, parcel=parcel, window=window)
    return window


@receiver(parcel_handed_over, dispatch_uid="delivery.open_tracking")
async def open_tracking(sender: type[Parcel], *, parcel: Parcel, **kwargs: object) -> str:
    """Have the tracking page made, then say where it is."""
    url = await services.open_tracking(parcel.tracking_code)
    await tracking_opened.asend(sender=Parcel, parcel=parcel, url=url)
    return url


@receiver(parcel_handed_over, dispatch_uid="delivery.print_label")
async def print_label(sender: type[Parcel], *, parcel: Parcel, **kwargs: object) -> str:
    """What the label says."""
    return f"{parcel.tracking_code} / {parcel.town}"


@receiver(pickup_booked, dispatch_uid="delivery.tell_packers")
async def tell_packers(sender: type[Parcel], *, window: str, **kwargs: object) -> bool:
    """The packers' phones show when the van comes."""
    return await services.notify_phone(f"Van comes {window}")


@receiver(tracking_opened, dispatch_uid="delivery.tell_customer")
async def tell_customer(sender: type[Parcel], *, url: str, **kwargs: object) -> bool:
    """The customer's phone shows where the parcel is."""
    return await services.notify_phone(f"Follow your parcel: {url}")
