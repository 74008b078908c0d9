"""What customers are told, and when."""

from django.core.mail import send_mail
from django.dispatch import receiver

from notifications import sms
from shop.models import Order
from warehouse.signals import stock_reserved


@receiver(stock_reserved, dispatch_uid="notifications.send_receipt")
def send_receipt(
    sender: type[Order], *, order: Order, quantities: dict[str, int], **kwargs: object
) -> int:
    """Mail the receipt."""
    lines = "\n".join(f"{quantity} × {name}" for name, quantity in quantities.items())
    return send_mail(
        f"Your order {order.pk}",
        f"Thank you! On their way to you:\n\n{lines}\n\nPaid: {order.total} EUR",
        None,
        [order.customer.email],
    )


@receiver(stock_reserved, dispatch_uid="notifications.text_customer")
def text_customer(sender: type[Order], *, order: Order, **kwargs: object) -> None:
    """Text the customer that the parcel is being packed. The gateway is down, so this fails."""
    sms.send_text(order.phone, f"Your order {order.pk} is being packed.")
