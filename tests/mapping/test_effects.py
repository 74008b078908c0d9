"""What a function is seen to do in its source: a table of code and the steps it has."""

from __future__ import annotations

import importlib.util
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.db.models.signals import m2m_changed, post_save
from django.test.utils import isolate_apps

from commissions.models import Commission, WithSave
from shop.models import Order, Product
from signal_tracer.mapping.effects import Effects
from signal_tracer.mapping.ownership import Ownership
from signal_tracer.mapping.projects import Project
from signal_tracer.source_steps import SourceStep

IMPORTS = """
from __future__ import annotations
from functools import partial
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, User
from django.core.cache import cache
from django.core.mail import EmailMessage
from django.db import models, transaction
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from billing.models import Payment
from commissions.models import BaseCommission, Commission, WithSave
from shop.models import Order, OrderLine, Product, Review
from shop.signals import order_placed
from warehouse.models import StockItem
"""
Trial = Callable[[str], ModuleType]


@pytest.fixture
def effects() -> Effects:
    return Effects(Project(Ownership()))


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    """Makes a module of the project from its source, below the imports above."""

    def make(source: str) -> ModuleType:
        path = tmp_path / "trial_module.py"
        path.write_text(IMPORTS + textwrap.dedent(source))
        spec = importlib.util.spec_from_file_location("trial_module", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["trial_module"] = module
        spec.loader.exec_module(module)
        return module

    yield make
    sys.modules.pop("trial_module", None)


def told(steps: tuple[SourceStep, ...], indent: str = "") -> Iterator[str]:
    """``save shop.Order: certain > pre_save shop.Order, post_save shop.Order``"""
    for step in steps:
        condition = f" {step.condition}" if step.condition else ""
        sends = ", ".join(f"{signal.rpartition('.')[2]} {sender}" for signal, sender in step.sends)
        reason = f" ({step.reason})" if step.reason else ""
        yield (
            f"{indent}{step.kind} {step.target or step.text}: {step.certainty}{condition}{reason}"
            f"{' > ' if sends else ''}{sends}"
        )
        yield from told(step.steps, f"{indent}  ")


SAVED = "pre_save {0}, post_save {0}".format
DELETED = "pre_delete {0}, post_delete {0}".format
ORDER_SAVED = f"save shop.Order: certain > {SAVED('shop.Order')}"

# What the body of `def f(sender, instance, **kwargs):`, a receiver of shop.Order, does.
BODIES: dict[str, tuple[str, list[str]]] = {
    "the instance of the sender": ("instance.save()", [ORDER_SAVED]),
    "the sender": ("sender.objects.create()", [ORDER_SAVED]),
    "the class of the instance": (
        "type(instance).objects.create()\ninstance.__class__._default_manager.create()",
        [ORDER_SAVED, ORDER_SAVED],
    ),
    "a new one": ("order = Order()\norder.save()", [ORDER_SAVED]),
    "create": ("Order.objects.create()", [ORDER_SAVED]),
    "a row that is got": (
        "line = OrderLine.objects.filter(order=1).select_related('order').get()\nline.save()",
        [f"save shop.OrderLine: certain > {SAVED('shop.OrderLine')}"],
    ),
    "a foreign key": (
        "for line in instance.lines.all():\n    line.product.save()",
        [
            "save shop.Product: may `for line in instance.lines.all():` (or what inherits from "
            f"shop.Product) > {SAVED('shop.Product')}"
        ],
    ),
    "the other end of a one-to-one field": (
        "instance.payment.save()",
        [f"save billing.Payment: certain > {SAVED('billing.Payment')}"],
    ),
    "a condition": (
        "if instance.status:\n    instance.save()\nelse:\n    Review.objects.create()",
        [
            f"save shop.Order: may `if instance.status:` > {SAVED('shop.Order')}",
            f"save shop.Review: may the else of `if instance.status:` > {SAVED('shop.Review')}",
        ],
    ),
    "after a return": (
        "if kwargs.get('raw'):\n    return\ninstance.save()",
        [
            "save shop.Order: may what `if kwargs.get('raw'):` may return before > "
            f"{SAVED('shop.Order')}"
        ],
    ),
    "a try": (
        "try:\n    instance.save()\nexcept ValueError:\n    Review.objects.create()\n"
        "finally:\n    Order.objects.create()",
        [
            f"save shop.Order: may a try > {SAVED('shop.Order')}",
            f"save shop.Review: may `except ValueError:` > {SAVED('shop.Review')}",
            ORDER_SAVED,
        ],
    ),
    "atomic() is no condition": ("with transaction.atomic():\n    instance.save()", [ORDER_SAVED]),
    "what comes after a raise": ("raise ValueError\ninstance.save()", []),
    "an expression of conditions": (
        "instance.phone and instance.save()\n_ = instance.save() if instance.phone else None",
        [
            f"save shop.Order: may `instance.phone and …` > {SAVED('shop.Order')}",
            f"save shop.Order: may `if instance.phone` > {SAVED('shop.Order')}",
        ],
    ),
    "get_or_create": (
        "review, created = Review.objects.get_or_create(stars=5)\nreview.save()",
        [
            f"save shop.Review: may > {SAVED('shop.Review')}",
            f"save shop.Review: certain > {SAVED('shop.Review')}",
        ],
    ),
    "update_or_create": (
        "Review.objects.update_or_create(stars=5)",
        [f"save shop.Review: may > {SAVED('shop.Review')}"],
    ),
    "create of a related manager": (
        "instance.lines.create(quantity=1)",
        [f"save shop.OrderLine: certain > {SAVED('shop.OrderLine')}"],
    ),
    "bulk operations send nothing": (
        "Order.objects.filter(pk=1).update(phone='')\nOrder.objects.bulk_create([])\n"
        "instance.lines.update(quantity=2)",
        [
            "bulk shop.Order: certain",
            "bulk shop.Order: certain",
            "bulk shop.OrderLine: certain",
        ],
    ),
    "a deletion and what it takes along": (
        "OrderLine.objects.get(pk=1).delete()\nReview.objects.filter(stars=1).delete()",
        [
            f"delete shop.OrderLine: certain > {DELETED('shop.OrderLine')}",
            f"delete shop.Review: may > {DELETED('shop.Review')}",
        ],
    ),
    "a cascade": (
        "instance.delete()",
        [
            f"delete shop.Order: certain > {DELETED('shop.Order')}",
            "  delete shop.OrderLine: may rows of shop.OrderLine refer to it by order > "
            f"{DELETED('shop.OrderLine')}",
            "  delete billing.Payment: may rows of billing.Payment refer to it by order > "
            f"{DELETED('billing.Payment')}",
        ],
    ),
    "a many-to-many relation": (
        "instance.customer.groups.add(1)\nuser = User.objects.get()\nuser.groups.clear()",
        [
            "many_to_many auth.User_groups: certain > m2m_changed auth.User_groups",
            "many_to_many auth.User_groups: certain > m2m_changed auth.User_groups",
        ],
    ),
    "rows that are related by a key": (
        "instance.lines.add(1)\ninstance.lines.add(1, bulk=False)",
        [
            "bulk shop.OrderLine: certain",
            f"save shop.OrderLine: may > {SAVED('shop.OrderLine')}",
        ],
    ),
    "a file saves its row": (
        "product = Product.objects.get()\nproduct.picture.save('a', None)\n"
        "product.picture.delete(save=False)",
        [f"save shop.Product: certain > {SAVED('shop.Product')}"],
    ),
    "a signal": (
        "order_placed.send(sender=Order)\norder_placed.send_robust(sender)\n"
        "order_placed.send(instance.__class__)\norder_placed.send(None)",
        [
            "send shop.signals.order_placed: certain > order_placed shop.Order",
            "send shop.signals.order_placed: certain > order_placed shop.Order",
            "send shop.signals.order_placed: certain > order_placed shop.Order",
            "send shop.signals.order_placed: certain > order_placed None",
        ],
    ),
    "a sender that is not known": (
        "order_placed.send(sender=kwargs['shop'])",
        ["send shop.signals.order_placed: unknown (its sender cannot be told)"],
    ),
    "the user model": (
        "get_user_model().objects.create_user('ann')",
        [f"save auth.User: certain > {SAVED('auth.User')}"],
    ),
    "get_object_or_404": (
        "get_object_or_404(Review, pk=1).save()",
        [f"save shop.Review: certain > {SAVED('shop.Review')}"],
    ),
    "a callback": (
        "transaction.on_commit(lambda: instance.save())\n"
        "transaction.on_commit(partial(order_placed.send, Order))\n"
        "transaction.on_commit(instance.save)",
        [
            "callback trial_module.f.<locals>.<lambda>: certain",
            f"  {ORDER_SAVED}",
            "callback partial(shop.signals.order_placed.send): certain",
            "  send shop.signals.order_placed: certain > order_placed shop.Order",
            "callback shop.Order.save: certain",
            f"  {ORDER_SAVED}",
        ],
    ),
    "a function that is made here": (
        "def later():\n    instance.save()\ntransaction.on_commit(later)",
        ["callback trial_module.f.<locals>.later: certain", f"  {ORDER_SAVED}"],
    ),
    "what does nothing is no step": ("str(instance)\nlen([])\nOrder.objects.count()", []),
    # False alarms
    "a dictionary, a set, a list": (
        "a = {}\na.update(b=1)\ns = set()\ns.add(1)\ns.clear()\nq = []\nq.clear()\n"
        "kwargs.update(x=2)",
        [],
    ),
    "a cache, a mail, a session": (
        "cache.delete('a')\nEmailMessage().send()\nkwargs['request'].session.update(a=1)\n"
        "cache.add('a', 1)",
        [],
    ),
    "a set of no relation's name": ("kwargs['seen'].add(1)\nkwargs['x'].tokens.remove(2)", []),
    "the file of an image": ("kwargs['image'].save('name.png', 'PNG')", []),
    "a generator": ("kwargs['generator'].send(None)", []),
    # What cannot be told
    "an object that is not known": (
        "kwargs['thing'].save()\nkwargs['thing'].delete()\nkwargs['thing'].objects.create()",
        [
            "save kwargs['thing'].save(): unknown (what `kwargs['thing']` is cannot be told)",
            "delete kwargs['thing'].delete(): unknown (what `kwargs['thing']` is cannot be told)",
            "save kwargs['thing'].objects.create(): unknown (what `kwargs['thing'].objects` is "
            "cannot be told)",
        ],
    ),
    "a relation of something unknown": (
        "kwargs['user'].groups.add(1)",
        [
            "many_to_many kwargs['user'].groups.add(1): unknown (what `kwargs['user'].groups` is "
            "cannot be told)"
        ],
    ),
    "a variable that may be either": (
        "x = Review() if instance else OrderLine()\nx.save()",
        [
            f"save shop.Review: may > {SAVED('shop.Review')}",
            f"save shop.OrderLine: may > {SAVED('shop.OrderLine')}",
        ],
    ),
    "a variable that changes in a loop": (
        "x = None\nfor _ in instance.lines.all():\n    if x:\n        x.save()\n    x = Review()",
        [
            "save shop.Review: may `for _ in instance.lines.all():` and `if x:` > "
            f"{SAVED('shop.Review')}"
        ],
    ),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_has_these_steps(effects: Effects, trial: Trial, name: str) -> None:
    body, expected = BODIES[name]
    module = trial(f"def f(sender, instance, **kwargs):\n{textwrap.indent(body, '    ')}\n")

    steps = effects.of_receiver(module.f, sender=Order, signal=post_save)

    assert list(told(steps)) == expected
