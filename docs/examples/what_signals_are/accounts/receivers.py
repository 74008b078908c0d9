from typing import Any

from django.contrib.auth.models import User
from django.core.mail import send_mail
from django.db.models.signals import post_save
from django.dispatch import receiver

from accounts.models import Profile
from accounts.signals import profile_made


@receiver(post_save, sender=User, dispatch_uid="accounts.make_profile")
def make_profile(instance: User, created: bool, raw: bool, **kwargs: Any) -> None:
    """A profile for each new user."""
    if created and not raw:
        profile = Profile.objects.create(user=instance)
        profile_made.send_robust(Profile, user=instance, profile=profile)


@receiver(profile_made, dispatch_uid="accounts.welcome")
def welcome(user: User, **kwargs: Any) -> None:
    """A mail to whoever signed up."""
    if not user.email:
        raise ValueError(f"{user.username} has no address")
    send_mail("Welcome", "Good to see you.", None, [user.email])


def see(**kwargs: Any) -> None:
    """Hears whatever it is connected to, and does nothing."""
