from django.dispatch import Signal

# Sent when an order is paid. Sender: the class of the order. Arguments: order.
order_paid = Signal()
