"""What customers have made for them, and what they have spent on it.

Each way of writing a commission down has a class of its own, so that the receivers of one do not
hear of the others.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import F
from django.utils.crypto import get_random_string

from commissions.post import confirm
from shop.models import Product


class Account(models.Model):
    customer = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    spent = models.DecimalField(max_digits=12, decimal_places=2, default=0)

    def __str__(self) -> str:
        return f"{self.spent} €"


class BaseCommission(models.Model):
    customer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    product = models.ForeignKey(Product, on_delete=models.PROTECT)
    number = models.CharField(max_length=10, blank=True)

    class Meta:
        abstract = True
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"Commission {self.number}"

    def add_to_account(self) -> None:
        """The database adds it up, so that two requests at once both count."""
        spent = F("spent") + self.product.price
        Account.objects.filter(customer=self.customer_id).update(spent=spent)


def new_number() -> str:
    return f"C-{get_random_string(6, '0123456789')}"


class Commission(BaseCommission):
    """The functions of commissions.services do the rest."""


class ForReceiver(BaseCommission):
    """A receiver of post_save does the rest."""


class WithSave(BaseCommission):
    """Its own save() does the rest."""

    def save(self, **kwargs: Any) -> None:
        is_new = self._state.adding
        with transaction.atomic():
            super().save(**kwargs)
            if is_new:
                self.add_to_account()
                transaction.on_commit(partial(confirm, self))


# From bad to good: a class for each receiver.


class AsFound(BaseCommission):
    """What was there."""


class ConnectedOnce(BaseCommission):
    """Step 1."""


class SavedOnce(BaseCommission):
    """Step 2."""


class Light(BaseCommission):
    """Step 3."""


class AfterCommit(BaseCommission):
    """Step 4; step 5 is a function, and writes a Commission."""
