from django.db import models


class Product(models.Model):
    name = models.CharField(max_length=40)
    stock = models.IntegerField()

    def __str__(self) -> str:
        return self.name


class BaseOrder(models.Model):
    product = models.ForeignKey(Product, on_delete=models.CASCADE)
    quantity = models.PositiveIntegerField()
    email = models.EmailField()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.quantity} × {self.product}"


class Order(BaseOrder):
    """An order that nobody listens to: what is to happen, happens elsewhere."""


class Message(models.Model):
    """The outbox: what is to be told to others, in the same database as the orders."""

    topic = models.CharField(max_length=40)
    body = models.JSONField()
    sent_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.topic} {self.body}"
