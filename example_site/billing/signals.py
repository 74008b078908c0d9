"""The signals that billing sends."""

from django.dispatch import Signal

# The card was charged. Sender: Payment. Arguments: payment, amount, token.
payment_received = Signal()
