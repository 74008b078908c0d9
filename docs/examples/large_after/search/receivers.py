"""Keeps the search in step with the products."""

from typing import Any

from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from search.models import Entry
from shop.models import Product


@receiver(post_save, sender=Product, dispatch_uid="search.index_product")
def index_product(instance: Product, raw: bool, **kwargs: Any) -> None:
    """A product is found by its name. A fixture brings its own entries."""
    if not raw:
        words = instance.name.lower()
        Entry.objects.update_or_create(number=instance.pk, defaults={"words": words})


@receiver(post_delete, sender=Product, dispatch_uid="search.forget_product")
def forget_product(instance: Product, **kwargs: Any) -> None:
    """What is gone must not be found."""
    Entry.objects.filter(number=instance.pk).delete()
