from django.db import models


class Order(models.Model):
    number = models.CharField(max_length=20)
    email = models.EmailField(blank=True)
    paid = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.number
