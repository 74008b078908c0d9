from django.dispatch import Signal

# An order is there for good: sent after its transaction, by `orders.place_order`.
# Sender: Order. Arguments: order.
# Sent robustly: what a receiver raises is logged, and the customer sees nothing of it.
order_placed = Signal()
