from django.conf import settings
from django.db import models


class Badge(models.Model):
    name = models.CharField(max_length=40)

    def __str__(self) -> str:
        return self.name


class Profile(models.Model):
    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    points = models.PositiveIntegerField(default=0)
    badges = models.ManyToManyField(Badge)

    def __str__(self) -> str:
        return f"{self.user} ({self.points})"


class Note(models.Model):
    """A model that no receiver waits for."""

    text = models.CharField(max_length=40)

    def __str__(self) -> str:
        return self.text
