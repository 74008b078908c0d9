"""Parcels on their way."""

from django.db import models


class Parcel(models.Model):
    tracking_code = models.CharField(max_length=20, unique=True)
    town = models.CharField(max_length=40)
    handed_over_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.tracking_code
