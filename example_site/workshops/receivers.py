"""What is done about workshops and those who book one."""

from django.core.cache import cache
from django.core.mail import send_mail
from django.db.models.signals import post_save
from django.dispatch import receiver

from workshops import calendar
from workshops.models import Booking
from workshops.signals import workshop_published


@receiver(workshop_published, dispatch_uid="workshops.tell_readers")
def tell_readers(sender: type[Booking], *, title: str, **kwargs: object) -> int:
    """What workshops.announcements does, in a module that ready() imports."""
    return send_mail("A new workshop", title, None, ["reader@customer.example"])


@receiver(post_save, sender=Booking, dispatch_uid="workshops.enter_in_calendar")
def enter_in_calendar(
    sender: type[Booking], *, instance: Booking, raw: bool, **kwargs: object
) -> None:
    """The potter looks into her calendar only. It cannot be reached, so this fails."""
    if not raw:
        calendar.enter(f"{instance.guest} comes to the workshop")


@receiver(post_save, sender=Booking, dispatch_uid="workshops.set_clay_aside")
def set_clay_aside(
    sender: type[Booking], *, instance: Booking, raw: bool, **kwargs: object
) -> None:
    """Two kilos for each guest. It comes after the one that fails, and so it never runs."""
    if not raw:
        cache.set(f"clay:{instance.pk}", 2)
