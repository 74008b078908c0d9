from django.db import models

from shop.signals import order_paid


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
