from django.db.models.signals import post_save
from django.dispatch import receiver

from billing.models import Invoice
from billing.signals import invoiced
from shop.models import Order


@receiver(post_save, sender=Order)
def write_invoice(sender, instance, created, raw=False, **kwargs):
    """Every new order has an invoice."""
    if created and not raw:
        invoice = Invoice.objects.create(order=instance, total=instance.total)
        invoiced.send(sender=Invoice, invoice=invoice)
