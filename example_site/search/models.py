"""The words that a product can be found by."""

from django.db import models


class SearchEntry(models.Model):
    # Not a foreign key: search knows products by their number only, as a search engine would.
    product_number = models.PositiveBigIntegerField(unique=True)
    words = models.TextField()

    class Meta:
        verbose_name_plural = "search entries"

    def __str__(self) -> str:
        return self.words
