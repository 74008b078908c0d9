from django.db import models

from shop.models import Order


class Invoice(models.Model):
    order = models.ForeignKey(Order, on_delete=models.CASCADE)
    total = models.IntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.total}"

    def save(self, *args, **kwargs):
        super().save(*args, **kwargs)
        Order.objects.filter(pk=self.order_id).update(is_invoiced=True)
