from django.dispatch import Signal

# Sent by Order, with order, when the parcel has left.
order_shipped = Signal()
