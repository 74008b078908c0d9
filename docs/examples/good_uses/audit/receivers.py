import logging
from functools import partial
from typing import Any

from django.contrib.auth.signals import user_login_failed
from django.core.mail import send_mail
from django.db import transaction
from django.dispatch import receiver

from shop.models import Order
from shop.signals import order_placed

logger = logging.getLogger("audit")


@receiver(user_login_failed, dispatch_uid="audit.note_failed_login")
def note_failed_login(credentials: dict[str, Any], **kwargs: Any) -> None:
    """Who was refused. Django has replaced the password by stars."""
    logger.warning("Refused: %s", credentials.get("username"))


@receiver(order_placed, dispatch_uid="audit.confirm_order")
def confirm_order(order: Order, **kwargs: Any) -> None:
    """Thank the customer, once the order is there."""
    transaction.on_commit(
        partial(send_mail, "Thank you", f"{order} is on its way.", None, [order.email])
    )
