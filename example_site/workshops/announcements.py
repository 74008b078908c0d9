"""Tells readers of a new workshop; or would, if any line of the site imported this module."""

from django.core.mail import send_mail
from django.dispatch import receiver

from workshops.models import Booking
from workshops.signals import workshop_announced


@receiver(workshop_announced, dispatch_uid="workshops.write_to_readers")
def write_to_readers(sender: type[Booking], *, title: str, **kwargs: object) -> int:
    """Mail those who asked for news."""
    return send_mail("A new workshop", title, None, ["reader@customer.example"])
