from django.db import models


class Order(models.Model):
    number = models.CharField(max_length=20)

    def __str__(self) -> str:
        return self.number


class GiftOrder(Order):
    """An order, seen by whoever packs gifts."""

    class Meta:
        proxy = True
