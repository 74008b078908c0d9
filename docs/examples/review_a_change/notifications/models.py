from django.db import models

from billing.models import Invoice


class Text(models.Model):
    invoice = models.ForeignKey(Invoice, on_delete=models.CASCADE)
    words = models.CharField(max_length=160)

    def __str__(self) -> str:
        return self.words
