from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models.signals import post_save
from django.dispatch import receiver

from accounts.models import Profile


@receiver(post_save, sender=settings.AUTH_USER_MODEL, dispatch_uid="accounts.create_profile")
def create_profile(instance: User, created: bool, raw: bool, using: str, **kwargs: Any) -> None:
    """Every new user has a profile. Fixtures (``raw``) bring their own."""
    if created and not raw:
        Profile.objects.using(using).create(user=instance)
