"""Booking a seat in a workshop."""

from django.db import transaction

from workshops.models import Booking


def book(guest: str) -> Booking:
    """Each statement is kept at once, also if a receiver of ``post_save`` fails after it."""
    return Booking.objects.create(guest=guest)


def book_all_or_nothing(guest: str) -> Booking:
    """With all that its receivers write, or not at all."""
    with transaction.atomic():
        return Booking.objects.create(guest=guest)
