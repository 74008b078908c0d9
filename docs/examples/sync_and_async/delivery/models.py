from django.db import models


class Parcel(models.Model):
    number = models.CharField(max_length=20)

    def __str__(self) -> str:
        return self.number


class Entry(models.Model):
    text = models.CharField(max_length=40)

    def __str__(self) -> str:
        return self.text
