"""Money that came in."""

from django.db import models

from shop.models import Order


class Payment(models.Model):
    order = models.OneToOneField(Order, on_delete=models.CASCADE)
    amount = models.DecimalField(max_digits=8, decimal_places=2)
    card_ending = models.CharField(max_length=4)
    received_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"Payment for {self.order}"
