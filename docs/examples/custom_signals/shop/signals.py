"""What this app tells others."""

from django.dispatch import Signal

order_paid = Signal()
"""The money for an order is there, and that is committed.

Sent by `Order`, with `send_robust()`, once a payment. Arguments:

order (Order): saved, with `paid=True`
amount (Decimal): in euros, greater than 0
paid_by (str): "card" or "transfer"
"""

offers_wanted = Signal()
"""Somebody wants to know what the delivery of an order would cost.

Sent by `Order`, with `send()`. Arguments: order (Order).
A receiver returns its price (Decimal), or None if it does not deliver there.
"""
