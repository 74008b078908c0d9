from django.db import models

from shop.models import Order


class Invoice(models.Model):
    order = models.ForeignKey(Order, on_delete=models.CASCADE)
    total = models.IntegerField(default=0)
    number = models.CharField(max_length=20, blank=True)

    def __str__(self) -> str:
        return self.number

    def save(self, *args, **kwargs):
        super().save(*args, **kwargs)
        if not self.number:
            Invoice.objects.filter(pk=self.pk).update(number=f"2026-{self.pk}")
