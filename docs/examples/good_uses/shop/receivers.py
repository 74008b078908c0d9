from functools import partial
from typing import Any

from django.db import transaction
from django.db.models.signals import post_delete
from django.dispatch import receiver

from shop.models import Product


@receiver(post_delete, sender=Product, dispatch_uid="shop.delete_picture")
def delete_picture(instance: Product, using: str, **kwargs: Any) -> None:
    """Django deletes the row and leaves the file."""
    if instance.picture:
        remove = partial(instance.picture.storage.delete, instance.picture.name)
        transaction.on_commit(remove, using=using)
