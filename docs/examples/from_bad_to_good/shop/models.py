from uuid import uuid4

from django.db import models


class Customer(models.Model):
    email = models.EmailField()
    spent = models.IntegerField(default=0)

    def __str__(self) -> str:
        return self.email


class Product(models.Model):
    name = models.CharField(max_length=40)
    price = models.IntegerField()

    def __str__(self) -> str:
        return self.name


class Order(models.Model):
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="orders")
    product = models.ForeignKey(Product, on_delete=models.PROTECT)
    number = models.CharField(max_length=12, blank=True)

    def __str__(self) -> str:
        return self.number


def new_number() -> str:
    return f"A-{uuid4().hex[:8]}"
