from decimal import Decimal

from django.db import models


class Customer(models.Model):
    email = models.EmailField(blank=True)
    order_count = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return self.email


class Order(models.Model):
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE)
    net = models.DecimalField(max_digits=9, decimal_places=2)
    tax = models.DecimalField(max_digits=9, decimal_places=2, default=Decimal(0))

    def __str__(self) -> str:
        return f"Order {self.pk}"


class Parcel(models.Model):
    order = models.OneToOneField(Order, on_delete=models.CASCADE)

    def __str__(self) -> str:
        return f"Parcel for {self.order}"
