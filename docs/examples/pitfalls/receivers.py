from typing import Any

from django.core.cache import cache
from django.db.models.signals import post_save
from django.dispatch import receiver

from pitfalls.models import Article


@receiver(post_save, sender=Article, dispatch_uid="pitfalls.forget_page")
def forget_page(instance: Article, **kwargs: Any) -> None:
    """The page in the cache is no longer right."""
    cache.delete(f"article:{instance.pk}")
