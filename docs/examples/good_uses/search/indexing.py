from collections.abc import Iterable

from search.models import SearchEntry
from shop.models import Product


def index(products: Iterable[Product]) -> None:
    """Write what the search knows of these products, with one query for all of them."""
    SearchEntry.objects.bulk_create(
        [SearchEntry(product_number=each.pk, words=each.name.lower()) for each in products],
        update_conflicts=True,
        unique_fields=["product_number"],
        update_fields=["words"],
    )
