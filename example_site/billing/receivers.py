"""What billing does when something is sold."""

from decimal import Decimal

from django.dispatch import receiver

from billing import gateway
from billing.models import Payment
from billing.signals import payment_received
from shop.models import Order
from shop.signals import order_placed


@receiver(order_placed, dispatch_uid="billing.charge_card")
def charge_card(
    sender: type[Order], *, order: Order, total: Decimal, card_number: str, **kwargs: object
) -> Payment:
    """Take the money, and say so to whoever waits for it."""
    token = gateway.charge(card_number, total)
    payment = Payment.objects.create(order=order, amount=total, card_ending=card_number[-4:])
    payment_received.send(sender=Payment, payment=payment, amount=total, token=token)
    return payment
