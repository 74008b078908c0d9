"""What happens when someone subscribes: three receivers, and the second one fails."""

from django.core.cache import cache
from django.core.mail import send_mail
from django.db.models.signals import post_delete
from django.dispatch import receiver

from newsletter import mailing_list
from newsletter.models import Subscriber
from newsletter.signals import subscribed


@receiver(subscribed, dispatch_uid="newsletter.send_welcome")
def send_welcome(sender: type[Subscriber], *, subscriber: Subscriber, **kwargs: object) -> int:
    """Say hello."""
    return send_mail("Welcome", "A letter from the kiln, once a month.", None, [subscriber.email])


@receiver(subscribed, dispatch_uid="newsletter.add_to_mailing_list")
def add_to_mailing_list(
    sender: type[Subscriber], *, subscriber: Subscriber, **kwargs: object
) -> None:
    """Without this nobody gets the newsletter. The service refuses us, so this fails."""
    mailing_list.add(subscriber.email)


@receiver(subscribed, dispatch_uid="newsletter.count_source")
def count_source(sender: type[Subscriber], *, source: str, **kwargs: object) -> int:
    """Where do subscribers come from?"""
    cache.add(f"subscribers:{source}", 0, timeout=None)
    return cache.incr(f"subscribers:{source}")


@receiver(post_delete, sender=Subscriber, dispatch_uid="newsletter.say_goodbye")
def say_goodbye(sender: type[Subscriber], *, instance: Subscriber, **kwargs: object) -> int:
    """Say goodbye. No test of the shop unsubscribes anyone, and signal coverage says so."""
    return send_mail("Goodbye", "We shall miss you.", None, [instance.email])
