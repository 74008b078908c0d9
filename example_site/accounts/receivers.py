"""What happens to a profile when something happens to its user."""

from decimal import Decimal

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import F
from django.db.models.signals import post_save
from django.dispatch import receiver

from accounts.models import Profile
from shop.models import Order
from shop.signals import order_placed


@receiver(post_save, sender=settings.AUTH_USER_MODEL, dispatch_uid="accounts.create_profile")
def create_profile(
    sender: type[User], *, instance: User, created: bool, raw: bool, **kwargs: object
) -> None:
    """Every user has a profile. Fixtures (``raw``) bring their own."""
    if created and not raw:
        Profile.objects.create(user=instance)


@receiver(order_placed, dispatch_uid="accounts.give_points")
def give_points(sender: type[Order], *, order: Order, total: Decimal, **kwargs: object) -> None:
    """One loyalty point for each full euro."""
    Profile.objects.filter(user=order.customer_id).update(points=F("points") + int(total))
