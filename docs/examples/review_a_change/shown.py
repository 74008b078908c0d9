"""What the page "Review what a change does to signals" shows."""

from shop.models import Order


def order_a_book():
    """A book is ordered."""
    Order.objects.create(email="ada@example.com", total=194)
