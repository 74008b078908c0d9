"""The signals that the shop sends."""

from django.dispatch import Signal

# An order stands in the database and waits to be paid.
# Sender: Order. Arguments: order, total, card_number.
order_placed = Signal()
