from typing import Any

from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from search.indexing import index
from search.models import SearchEntry
from shop.models import Product


@receiver(post_save, sender=Product, dispatch_uid="search.index_product")
def index_product(instance: Product, raw: bool, **kwargs: Any) -> None:
    """A product is found by its name."""
    if not raw:
        index([instance])


@receiver(post_delete, sender=Product, dispatch_uid="search.forget_product")
def forget_product(instance: Product, **kwargs: Any) -> None:
    """What is gone must not be found."""
    SearchEntry.objects.filter(product_number=instance.pk).delete()
