"""What lies on the shelves."""

from django.db import models

from shop.models import Product


class StockItem(models.Model):
    product = models.OneToOneField(Product, on_delete=models.CASCADE, related_name="stock")
    quantity = models.PositiveIntegerField()

    class Meta:
        ordering = ["product"]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.product}"
