"""Changing what is said of a product."""

from decimal import Decimal

from shop.models import Product


def revise_step_by_step(product: Product, *, name: str, description: str, price: Decimal) -> None:
    """Each step by itself, as a form that grew over the years does it."""
    product.name = name
    product.save()
    product.description = description
    product.save()
    product.price = price
    product.save()


def revise_at_once(product: Product, *, name: str, description: str, price: Decimal) -> None:
    product.name = name
    product.description = description
    product.price = price
    product.save()
