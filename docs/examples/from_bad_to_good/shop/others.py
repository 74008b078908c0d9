"""Stand-ins for what is reached over a network."""

from django.core.mail import send_mail

from shop.models import Order


class CardRefusedError(Exception):
    pass


def charge(order: Order) -> None:
    if order.product.name == "Gold teapot":
        raise CardRefusedError("The card does not have that much.")


def mail(order: Order) -> None:
    if order.customer.email.endswith("@down.example"):
        raise ConnectionError("The mail server does not answer.")
    send_mail(f"Your order {order.number}", str(order.product), None, [order.customer.email])
