from functools import partial

from django.core.mail import send_mail
from django.db import transaction
from django.db.models.signals import post_delete
from django.dispatch import receiver

from billing.signals import invoiced
from notifications.models import Text
from shop.models import Order


@receiver(invoiced)
def mail_invoice(sender, invoice, **kwargs):
    """The customer is sent the invoice, once it is sure that there is one."""
    if not invoice.order.is_gift:
        words = f"Please pay {invoice.total}."
        send = partial(send_mail, "Your invoice", words, None, [invoice.order.email])
        transaction.on_commit(send)


@receiver(post_delete, sender=Order)
def mail_cancellation(sender, instance, **kwargs):
    """Whoever cancels an order has it in writing."""
    send_mail("Your order is cancelled", "You owe us nothing.", None, [instance.email])


@receiver(invoiced)
def text_customer(sender, invoice, **kwargs):
    """The customer is told by text as well."""
    Text.objects.create(invoice=invoice, words="Your invoice is in your mail.")
