from django.db import models


class SearchEntry(models.Model):
    product_number = models.PositiveBigIntegerField(unique=True)
    words = models.TextField()

    def __str__(self) -> str:
        return self.words
