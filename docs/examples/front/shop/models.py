from django.db import models


class Order(models.Model):
    email = models.EmailField(blank=True)
    total = models.DecimalField(max_digits=9, decimal_places=2)

    def __str__(self) -> str:
        return f"Order {self.pk}"


class Invoice(models.Model):
    order = models.OneToOneField(Order, on_delete=models.CASCADE)

    def __str__(self) -> str:
        return f"Invoice for {self.order}"
