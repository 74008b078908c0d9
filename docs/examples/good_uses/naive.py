"""The same receivers as one writes them first. `shown.py` puts them in the place of the others."""

from typing import Any

from django.contrib.auth.models import User
from django.core.mail import send_mail

from accounts.models import Profile
from shop.models import Order, Product


def create_profile(instance: User, created: bool, **kwargs: Any) -> None:
    if created:
        Profile.objects.create(user=instance)


def confirm_order(order: Order, **kwargs: Any) -> None:
    send_mail("Thank you", f"{order} is on its way.", None, [order.email])


def delete_picture(instance: Product, **kwargs: Any) -> None:
    instance.picture.delete(save=False)
