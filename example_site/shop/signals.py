"""The signals that the shop sends."""

from django.dispatch import Signal

# An order stands in the database and waits to be paid.
# Sender: Order. Arguments: order, total, card_number.
order_placed = Signal()

# Goods are set aside for an order. Sender: Order. Arguments: order, wait_for_commit.
goods_reserved = Signal()

# An order is packed. Sender: Order. Arguments: order, wait_for_commit.
order_packed = Signal()

# A reader wrote a review. Sender: Review. Arguments: review.
review_written = Signal()

# The same, for the page that does it right.
review_published = Signal()
