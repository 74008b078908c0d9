from django.dispatch import Signal

# Sent when an order has its invoice. Sender: the class of the order. Arguments: order, invoice.
order_placed = Signal()
