from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.db import models, transaction
from django.db.models import F

from shop.models import BaseOrder, Product
from shop.work import confirm, take_from_stock


class OrderQuerySet(models.QuerySet["Order"]):
    def place(self, **fields: Any) -> "Order":
        with transaction.atomic():
            order = self.create(**fields)
            take_from_stock(order)
        confirm(order)
        return order

    def place_all(self, orders: "Sequence[Order]") -> None:
        """One query for the rows, and one for each product."""
        ordered = Counter[int]()
        for order in orders:
            ordered[order.product_id] += order.quantity
        with transaction.atomic():
            self.bulk_create(orders)
            for product_pk, quantity in ordered.items():
                Product.objects.filter(pk=product_pk).update(stock=F("stock") - quantity)
        confirm(*orders)


class Order(BaseOrder):
    objects = OrderQuerySet.as_manager()
