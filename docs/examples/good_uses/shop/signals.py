from django.dispatch import Signal

# Sent when an order has been placed, inside its transaction. Sender: Order. Arguments: order.
order_placed = Signal()
