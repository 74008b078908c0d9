from typing import Any

from django.db import models
from django.db.models.signals import post_delete
from django.dispatch import receiver

from shop.models import Product


class Entry(models.Model):
    number = models.PositiveBigIntegerField(unique=True)
    words = models.TextField()

    def __str__(self) -> str:
        return self.words


@receiver(post_delete, sender=Product)
def forget_product(instance: Product, **kwargs: Any) -> None:
    Entry.objects.filter(number=instance.pk).delete()
