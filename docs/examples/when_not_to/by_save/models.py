from typing import Any

from django.db import transaction

from shop.models import BaseOrder
from shop.work import confirm, take_from_stock


class Order(BaseOrder):
    def save(self, **kwargs: Any) -> None:
        is_new = self._state.adding
        with transaction.atomic():
            super().save(**kwargs)
            if is_new:
                take_from_stock(self)
        if is_new:
            confirm(self)
