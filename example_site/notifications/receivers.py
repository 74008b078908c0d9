"""What customers are told, and when."""

from collections.abc import Iterable
from functools import partial

from django.core.mail import send_mail
from django.db import transaction
from django.dispatch import receiver

from notifications import sms
from shop.models import Order, Review
from shop.signals import goods_reserved, review_published, review_written
from warehouse.models import StockItem
from warehouse.signals import stock_counted, stock_reserved


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


@receiver(goods_reserved, dispatch_uid="notifications.confirm_reservation")
def confirm_reservation(
    sender: type[Order], *, order: Order, wait_for_commit: bool, **kwargs: object
) -> None:
    """Mail that the goods are set aside. At once, that is before anyone knows whether they are."""
    mail = partial(
        send_mail,
        f"Your reservation {order.pk}",
        "All of it is set aside for you.",
        None,
        [order.customer.email],
    )
    if wait_for_commit:
        transaction.on_commit(mail)
    else:
        mail()


@receiver(stock_counted, dispatch_uid="notifications.mail_stock_list")
def mail_stock_list(
    sender: type[StockItem], *, items: Iterable[StockItem], **kwargs: object
) -> int:
    """Mail what is left of each product. Each name is a query, unless it came with the item."""
    lines = [f"{item.quantity} × {item.product.name}" for item in items]
    return send_mail("What is left", "\n".join(lines), None, ["potter@thistle.example"])


# For a review both of the first two are meant, and so it runs twice.
@receiver(review_written)
@receiver(review_written, sender=Review)
@receiver(review_published, sender=Review, dispatch_uid="notifications.thank_reviewer")
def thank_reviewer(sender: type[Review], *, review: Review, **kwargs: object) -> int:
    """Thank for a review by mail."""
    return send_mail(
        "Thank you", f"So it gets {review.stars} of 5.", None, ["reader@customer.example"]
    )
