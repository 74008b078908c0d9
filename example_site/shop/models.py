"""What is sold, to whom, and what the buyers said about it."""

from __future__ import annotations

from decimal import Decimal

from django.conf import settings
from django.core.cache import cache
from django.db import models


class Product(models.Model):
    name = models.CharField(max_length=80, unique=True)
    description = models.CharField(max_length=200)
    price = models.DecimalField(max_digits=8, decimal_places=2)
    picture = models.FileField(upload_to="products", blank=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.name

    @property
    def rating(self) -> float | None:
        """The mean of the stars given; kept in the cache until a review comes or goes."""
        return cache.get_or_set(
            rating_key(self.pk), lambda: self.reviews.aggregate(mean=models.Avg("stars"))["mean"]
        )


def rating_key(product_pk: int) -> str:
    return f"rating:{product_pk}"


class Second(Product):
    """A product with a flaw, sold for less. The same table, another class: a proxy."""

    class Meta:
        proxy = True


class Review(models.Model):
    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="reviews")
    stars = models.PositiveSmallIntegerField()
    text = models.CharField(max_length=200)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.stars} of 5 for {self.product}"


class Order(models.Model):
    class Status(models.TextChoices):
        PLACED = "placed"
        PAID = "paid"

    customer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    phone = models.CharField(max_length=30)
    placed_at = models.DateTimeField(auto_now_add=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.PLACED)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"Order {self.pk}"

    @property
    def total(self) -> Decimal:
        return sum((line.price for line in self.lines.all()), Decimal(0))


class OrderLine(models.Model):
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, on_delete=models.PROTECT)
    quantity = models.PositiveIntegerField()
    unit_price = models.DecimalField(max_digits=8, decimal_places=2)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.product}"

    @property
    def price(self) -> Decimal:
        return self.quantity * self.unit_price
