"""A page, and a receiver that is connected only when the URLconf is imported."""

from typing import Any

from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse

from library.signals import lent


@receiver(lent)
def count_loans(sender: Any, **kwargs: Any) -> None:
    """How many books are out."""


def loans(request: HttpRequest) -> HttpResponse:
    return HttpResponse("none")
