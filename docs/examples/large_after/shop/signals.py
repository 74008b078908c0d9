"""The signals that the shop sends. It imports no models, so that everybody can import it."""

from django.dispatch import Signal

# Sent by Order.pay(), inside its transaction if there is one. Sender: Order. Arguments: order.
order_paid = Signal()
