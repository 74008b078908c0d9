from django.db import models


class Entry(models.Model):
    number = models.PositiveBigIntegerField(unique=True)
    words = models.TextField()

    def __str__(self) -> str:
        return self.words
