"""Who comes to a workshop."""

from django.db import models


class Booking(models.Model):
    guest = models.CharField(max_length=40)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"Booking {self.pk}"
