from django.db import models


class Order(models.Model):
    email = models.EmailField()
    total = models.IntegerField(default=0)
    is_invoiced = models.BooleanField(default=False)
    is_gift = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"{self.total} for {self.email}"
