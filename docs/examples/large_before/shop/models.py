from typing import Any

from django.core.cache import cache
from django.core.mail import send_mail
from django.db import models
from django.db.models.signals import post_delete, post_save
from django.dispatch import Signal, receiver

order_paid = Signal()


class Product(models.Model):
    name = models.CharField(max_length=80)

    def __str__(self) -> str:
        return self.name


class Order(models.Model):
    product = models.ForeignKey(Product, on_delete=models.CASCADE)
    email = models.EmailField()

    def __str__(self) -> str:
        return f"Order {self.pk}"

    def pay(self) -> None:
        order_paid.send(sender=Order, order=self)


@receiver(post_save, sender=Product)
@receiver(post_delete, sender=Product)
def forget_page(instance: Product, **kwargs: Any) -> None:
    cache.delete(f"product:{instance.pk}")


@receiver(post_save, sender=Product)
def index_product(instance: Product, **kwargs: Any) -> None:
    from search.models import Entry  # not above: it imports this module

    Entry.objects.update_or_create(number=instance.pk, defaults={"words": instance.name.lower()})


@receiver(order_paid)
def send_receipt(order: Order, **kwargs: Any) -> None:
    send_mail("Your receipt", f"{order}: {order.product}", None, [order.email])
