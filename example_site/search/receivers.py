"""Keeps the search in step with the products."""

from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from search.models import SearchEntry
from shop.models import Product


@receiver(post_save, sender=Product, dispatch_uid="search.index_product")
def index_product(sender: type[Product], *, instance: Product, raw: bool, **kwargs: object) -> None:
    """A product is found by its name and its description."""
    if not raw:
        SearchEntry.objects.update_or_create(
            product_number=instance.pk,
            defaults={"words": f"{instance.name} {instance.description}".lower()},
        )


@receiver(post_delete, sender=Product, dispatch_uid="search.forget_product")
def forget_product(sender: type[Product], *, instance: Product, **kwargs: object) -> None:
    """What is gone must not be found."""
    SearchEntry.objects.filter(product_number=instance.pk).delete()
