"""The signals that the warehouse sends."""

from django.dispatch import Signal

# Everything that an order needs was put aside. Sender: Order. Arguments: order, quantities.
stock_reserved = Signal()

# Somebody went along the shelves. Sender: StockItem. Arguments: items.
stock_counted = Signal()
