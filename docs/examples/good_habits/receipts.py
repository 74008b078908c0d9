from collections.abc import Iterable

from django.core.mail import EmailMessage, get_connection

from good_habits.models import Order


class NoAddressError(Exception):
    """A receipt cannot be mailed."""


def mail_receipts(orders: Iterable[Order]) -> int:
    """Mail a receipt for each of these orders, over one connection; return how many."""
    mails = []
    for order in orders:
        if not order.customer.email:
            raise NoAddressError(f"{order} has no address")
        mails.append(EmailMessage("Receipt", f"{order.net} EUR", to=[order.customer.email]))
    return get_connection().send_messages(mails)
