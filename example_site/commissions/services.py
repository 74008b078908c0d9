"""Taking a commission: each way of it, and what belongs to all of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from django.db import transaction

from commissions.models import BaseCommission, Commission, new_number
from commissions.post import confirm
from commissions.signals import commission_taken
from shop.models import Product

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Written = TypeVar("Written", bound=BaseCommission)

# A stand-in for a task queue: a worker in a process of its own would take what waits here.
queue: deque[Callable[[], object]] = deque(maxlen=20)


def write(model: type[Written], customer: User, product: Product, number: str = "") -> Written:
    """Store it, and leave the rest to whoever hears of it."""
    with transaction.atomic():
        return model._default_manager.create(customer=customer, product=product, number=number)


def take(customer: User, product: Product) -> Commission:
    """A service function: all that belongs to it, in the order in which it is done."""
    with transaction.atomic():
        commission = Commission.objects.create(
            customer=customer, product=product, number=new_number()
        )
        commission.add_to_account()
        transaction.on_commit(partial(confirm, commission))
    return commission


def take_and_enqueue(customer: User, product: Product) -> Commission:
    """The same, with the mail left to a worker."""
    with transaction.atomic():
        commission = Commission.objects.create(
            customer=customer, product=product, number=new_number()
        )
        commission.add_to_account()
        transaction.on_commit(partial(queue.append, partial(confirm, commission)))
    return commission


def take_and_tell(customer: User, product: Product) -> Commission:
    """A service function, and after the commit a signal for others."""
    with transaction.atomic():
        commission = Commission.objects.create(
            customer=customer, product=product, number=new_number()
        )
        commission.add_to_account()
        transaction.on_commit(
            partial(commission_taken.send_robust, Commission, commission=commission)
        )
    return commission
