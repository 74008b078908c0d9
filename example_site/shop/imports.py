"""Taking over what a supplier sends: the same names every time, with other texts and prices."""

from collections.abc import Iterable

from shop.models import Product


def import_at_once(products: Iterable[Product]) -> None:
    """One query for all, and no signal for any."""
    Product.objects.bulk_create(
        products,
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["description", "price"],
    )


def import_one_by_one(products: Iterable[Product]) -> None:
    """A save, and so a post_save, for each: fine for a few."""
    for product in products:
        Product.objects.update_or_create(
            name=product.name,
            defaults={"description": product.description, "price": product.price},
        )
