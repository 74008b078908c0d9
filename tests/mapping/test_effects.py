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
from django.contrib.auth.models import User
from django.db.models.signals import m2m_changed, post_save
from django.test.utils import isolate_apps

from commissions.models import Commission, WithSave
from shop.models import Order, Product
from signal_tracer.mapping.effects import Effects, meanings, sendings, stepping
from signal_tracer.mapping.effects.following import Following
from signal_tracer.mapping.ownership import Ownership
from signal_tracer.mapping.projects import Project
from signal_tracer.records import Location
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
kinds = {"order": Order, "review": Review}
"""
Trial = Callable[[str], ModuleType]


@pytest.fixture
def effects(monkeypatch: pytest.MonkeyPatch) -> Effects:
    subclasses = meanings._subclasses

    def without_those_of_other_tests(cls: type) -> list[type]:
        homes = (__name__, "trial_module")
        found = subclasses(cls)
        return [
            each
            for each in found
            if each.__module__ in homes or not each.__module__.startswith("test_")
        ]

    # Until it is collected, a class of another test is a subclass that there may be.
    monkeypatch.setattr(meanings, "_subclasses", without_those_of_other_tests)
    return Effects(Project(Ownership()))


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    """Makes a module of the project from its source, below the imports above."""

    def make(source: str) -> ModuleType:
        path = tmp_path / "trial_module.py"
        path.write_text(IMPORTS + textwrap.dedent(source))
        spec = importlib.util.spec_from_file_location("trial_module", path)
        assert spec is not None
        assert spec.loader is not None
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
            (
                "save shop.Product: may `for line in instance.lines.all():` (or what inherits from "
                f"shop.Product) > {SAVED('shop.Product')}"
            )
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
            (
                "save shop.Order: may what `if kwargs.get('raw'):` may return before > "
                f"{SAVED('shop.Order')}"
            )
        ],
    ),
    "a try": (
        (
            "try:\n    instance.save()\nexcept ValueError:\n    Review.objects.create()\n"
            "finally:\n    Order.objects.create()"
        ),
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
        (
            "Order.objects.filter(pk=1).update(phone='')\nOrder.objects.bulk_create([])\n"
            "instance.lines.update(quantity=2)"
        ),
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
            (
                "  delete shop.OrderLine: may rows of shop.OrderLine refer to it by order > "
                f"{DELETED('shop.OrderLine')}"
            ),
            (
                "  delete billing.Payment: may rows of billing.Payment refer to it by order > "
                f"{DELETED('billing.Payment')}"
            ),
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
        (
            "product = Product.objects.get()\nproduct.picture.save('a', None)\n"
            "product.picture.delete(save=False)"
        ),
        [f"save shop.Product: certain > {SAVED('shop.Product')}"],
    ),
    "a file that is told not to save its row, or that may have nothing to do": (
        (
            "picture = Product.objects.get().picture\npicture.save('a', None, False)\n"
            "picture.delete(False)\npicture.delete()\n"
            "picture.save('a', None, kwargs['save'])\npicture.save('a', None, True)"
        ),
        [
            f"save shop.Product: may > {SAVED('shop.Product')}",
            f"save shop.Product: may > {SAVED('shop.Product')}",
            f"save shop.Product: certain > {SAVED('shop.Product')}",
        ],
    ),
    "a signal": (
        (
            "order_placed.send(sender=Order)\norder_placed.send_robust(sender)\n"
            "order_placed.send(instance.__class__)\norder_placed.send(None)"
        ),
        [
            "send shop.signals.order_placed: certain > order_placed shop.Order",
            "send shop.signals.order_placed: certain > order_placed shop.Order",
            "send shop.signals.order_placed: certain > order_placed shop.Order",
            "send shop.signals.order_placed: certain > order_placed None",
        ],
    ),
    "a text as the sender": (
        "order_placed.send('shop')",
        ["send shop.signals.order_placed: certain > order_placed 'shop'"],
    ),
    "a form that is told not to save": ("kwargs['form'].save(commit=False)", []),
    "an empty tuple": (
        "def g(x: tuple[()]):\n    instance.save()\ng(())",
        [
            "call trial_module.f.<locals>.g: certain",
            f"  {ORDER_SAVED}",
        ],
    ),
    "a live dictionary": (
        "kinds['order'].objects.create()\nkinds[sender].objects.create()",
        [
            ORDER_SAVED,
            "save shop.Order: may > pre_save shop.Order, post_save shop.Order",
            "save shop.Review: may > pre_save shop.Review, post_save shop.Review",
        ],
    ),
    "a setting": (
        (
            "from django.apps import apps\nfrom django.conf import settings\n"
            "apps.get_model(getattr(settings, 'NO_SUCH_SETTING', 'shop.Order')).objects.create()\n"
            "apps.get_model('shop', 'Order').objects.create()"
        ),
        [ORDER_SAVED, ORDER_SAVED],
    ),
    "isinstance": (
        "x = kwargs['x']\nif isinstance(x, Order | Review):\n    x.save()",
        [
            f"save shop.Order: may `if isinstance(x, Order | Review):` > {SAVED('shop.Order')}",
            f"save shop.Review: may `if isinstance(x, Order | Review):` > {SAVED('shop.Review')}",
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
        (
            "transaction.on_commit(lambda: instance.save())\n"
            "transaction.on_commit(partial(order_placed.send, Order))\n"
            "transaction.on_commit(instance.save)"
        ),
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
    "a dictionary of what is made for each row": (
        "{line.pk: Review.objects.create() for line in instance.lines.all() if line.save()}",
        [
            (
                "save shop.OrderLine: may `for line in instance.lines.all()` > "
                f"{SAVED('shop.OrderLine')}"
            ),
            f"save shop.Review: may `for line in instance.lines.all()` > {SAVED('shop.Review')}",
        ],
    ),
    "what is given to the connection for after the commit": (
        (
            "from django.db import connection, connections\nconnection.on_commit(instance.save)\n"
            "connections['default'].on_commit(instance.save)\n"
            "transaction.get_connection().on_commit(instance.save)"
        ),
        ["callback shop.Order.save: certain", f"  {ORDER_SAVED}"] * 3,
    ),
    "a function for each of some rows": (
        "list(map(OrderLine.save, instance.lines.all()))",
        [f"save shop.OrderLine: may > {SAVED('shop.OrderLine')}"],
    ),
    "the guard of a case": (
        "match instance:\n    case Order() if Review.objects.create():\n        instance.save()",
        [
            f"save shop.Review: may `case Order()` > {SAVED('shop.Review')}",
            (
                "save shop.Order: may `case Order() if Review.objects.create():` > "
                f"{SAVED('shop.Order')}"
            ),
        ],
    ),
    "a model that is named by its parts": (
        (
            "from django.apps import apps\n"
            "apps.get_model(app_label='shop', model_name='Order').objects.create()"
        ),
        [ORDER_SAVED],
    ),
    "what does nothing is no step": ("str(instance)\nlen([])\nOrder.objects.count()", []),
    # False alarms
    "a dictionary, a set, a list": (
        (
            "a = {}\na.update(b=1)\ns = set()\ns.add(1)\ns.clear()\nq = []\nq.clear()\n"
            "kwargs.update(x=2)"
        ),
        [],
    ),
    "a cache, a mail, a session": (
        (
            "cache.delete('a')\nEmailMessage().send()\nkwargs['request'].session.update(a=1)\n"
            "cache.add('a', 1)"
        ),
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
            (
                "save kwargs['thing'].objects.create(): unknown (what `kwargs['thing'].objects` is "
                "cannot be told)"
            ),
        ],
    ),
    "a relation of something unknown": (
        "kwargs['user'].groups.add(1)",
        [
            (
                "many_to_many kwargs['user'].groups.add(1): unknown (what "
                "`kwargs['user'].groups` is cannot be told)"
            )
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
            (
                "save shop.Review: may `for _ in instance.lines.all():` and `if x:` > "
                f"{SAVED('shop.Review')}"
            )
        ],
    ),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_has_these_steps(effects: Effects, trial: Trial, name: str) -> None:
    body, expected = BODIES[name]
    module = trial(f"def f(sender, instance, **kwargs):\n{textwrap.indent(body, '    ')}\n")

    steps = effects.of_receiver(module.f, sender=Order, signal=post_save)

    assert list(told(steps)) == expected


def test_an_instance_that_is_only_in_kwargs_is_one_of_the_sender(
    effects: Effects, trial: Trial
) -> None:
    module = trial("""
        def f(**kwargs):
            kwargs["instance"].save()
            kwargs.get("sender").objects.create()
    """)

    steps = effects.of_receiver(module.f, sender=Order, signal=post_save)

    assert list(told(steps)) == [ORDER_SAVED, ORDER_SAVED]


def test_without_a_sender_an_annotation_says_what_it_is_and_that_it_may_be_a_subclass(
    effects: Effects, trial: Trial
) -> None:
    module = trial("""
        def f(order: Order, product: "Product", lines: list[OrderLine], shop: object, **kwargs):
            order.save()
            product.save()
            for line in lines:
                line.delete()
            shop.save()
    """)

    assert list(told(effects.of_receiver(module.f))) == [
        ORDER_SAVED,
        (
            "save shop.Product: may (or what inherits from shop.Product) > "
            "pre_save shop.Product, post_save shop.Product"
        ),
        (
            "delete shop.OrderLine: may `for line in lines:` > "
            "pre_delete shop.OrderLine, post_delete shop.OrderLine"
        ),
        "save shop.save(): unknown (what `shop` is cannot be told)",
    ]


def test_functions_of_the_project_are_gone_through_with_what_they_are_given(
    effects: Effects, trial: Trial
) -> None:
    module = trial("""
        def keep(thing, twice=False):
            thing.save()
            if twice:
                thing.save()

        def newest(model):
            return model.objects.order_by("pk").last()

        def f(instance, **kwargs):
            keep(instance)
            keep(thing=newest(Review))
            sync_to_async(keep)(newest(OrderLine))
    """)

    steps = effects.of_receiver(module.f, sender=Order)

    def kept(name: str) -> list[str]:
        saved = f"pre_save {name}, post_save {name}"
        return [
            "call trial_module.keep: certain",
            f"  save {name}: certain > {saved}",
            f"  save {name}: may `if twice:` > {saved}",
        ]

    assert list(told(steps)) == [*kept("shop.Order"), *kept("shop.Review"), *kept("shop.OrderLine")]


def test_a_recursion_is_followed_once(effects: Effects, trial: Trial) -> None:
    module = trial("""
        def f(instance, **kwargs):
            instance.save()
            g(instance)

        def g(instance):
            f(instance)
    """)

    assert list(told(effects.of_receiver(module.f, sender=Order))) == [ORDER_SAVED]


def test_a_chain_of_calls_is_followed_to_a_depth_and_what_is_deeper_is_said_to_be_unknown(
    effects: Effects, trial: Trial
) -> None:
    module = trial(
        "".join(
            f"def f{number}(instance, **kwargs):\n    f{number + 1}(instance)\n"
            for number in range(8)
        )
        + "def f8(instance):\n    instance.save()\n"
    )

    deep = effects.of_receiver(module.f0, sender=Order)
    steps = effects.of_receiver(module.f1, sender=Order)

    assert [*told(steps)][-1].strip() == ORDER_SAVED
    assert [*told(deep)][-1].strip() == (
        "call trial_module.f8(): unknown (it is called deeper than is followed)"
    )
    assert effects.of_receiver(module.f0, sender=Order) == deep


def test_what_was_read_before_changes_nothing_of_a_circle_of_calls(trial: Trial) -> None:
    module = trial("""
        def f(**kwargs):
            Order.objects.create()
            g()

        def g(**kwargs):
            Review.objects.create()
            f()
            h()

        def h():
            g()
    """)

    def read(*functions: Callable[..., object]) -> list[str]:
        effects = Effects(Project(Ownership()))
        return list(told([effects.of_receiver(each) for each in functions][-1]))

    expected = [
        ORDER_SAVED,
        "call trial_module.g: certain",
        f"  save shop.Review: certain > {SAVED('shop.Review')}",
    ]
    assert read(module.f) == read(module.g, module.f) == read(module.h, module.f) == expected


def test_what_a_function_is_given_is_not_taken_for_what_is_gone_from_the_same_place_in_memory(
    effects: Effects, trial: Trial
) -> None:
    names = ["Order", "Review", "Product", "OrderLine"] * 8
    loops = "".join(f"{'    ' * depth}for r{depth + 1} in r{depth}:\n" for depth in range(1, 7))
    calls = "".join(f"    keep([[[[[[{name}()]]]]]])\n" for name in names)
    module = trial(f"def keep(r1):\n{loops}{'    ' * 7}r7.save()\n\ndef f(**kwargs):\n{calls}")

    kept = [each.steps[0].target for each in effects.of_receiver(module.f)]

    assert kept == [f"shop.{name}" for name in names]


def test_a_function_that_does_more_than_can_be_told_says_so(
    effects: Effects, trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stepping, "MOST_STEPS", 3)
    module = trial("""
        def f(**kwargs):
            Order.objects.create()
            Order.objects.create()
            Order.objects.create()
            Review.objects.create()
            Review.objects.create()
    """)

    assert list(told(effects.of_receiver(module.f))) == [
        *[ORDER_SAVED] * 3,
        ("call Review.objects.create(): unknown (trial_module.f() does more than is told here)"),
    ]


def test_a_receiver_that_calls_too_much_is_gone_through_in_part(
    effects: Effects, trial: Trial
) -> None:
    # Each is given something else, in loops, so that nothing is known from before.
    levels = "".join(
        f"def f{level}(*a):\n    for _ in range(2):\n"
        + "".join(f"        f{level + 1}(*a, '{number}')\n" for number in range(6))
        for level in range(7)
    )
    module = trial(f"{levels}\ndef f7(*a):\n    print()\n\ndef f(**kwargs):\n    f0()\n")

    lines = list(told(effects.of_receiver(module.f)))

    assert len(lines) < 3_000
    assert any(each.endswith("unknown (too much is called to follow it all)") for each in lines)


def test_a_service_class_keeps_what_it_is_made_with(effects: Effects, trial: Trial) -> None:
    module = trial("""
        class Base:
            def __init__(self, order):
                self.order = order

        class Service(Base):
            def __init__(self, order):
                super().__init__(order)
                self.review = Review()

            @property
            def lines(self):
                return self.order.lines.all()

            def run(self):
                self.order.save()
                self.review.save()
                self.lines.delete()

            @classmethod
            def of(cls, order):
                return cls(order)

        def f(instance, **kwargs):
            Service.of(instance).run()
    """)

    assert list(told(effects.of_receiver(module.f, sender=Order))) == [
        "call trial_module.Service.run: certain",
        f"  {ORDER_SAVED}",
        "  save shop.Review: certain > pre_save shop.Review, post_save shop.Review",
        "  delete shop.OrderLine: may > pre_delete shop.OrderLine, post_delete shop.OrderLine",
    ]


def test_a_method_of_a_live_object_reads_what_the_object_holds(
    effects: Effects, trial: Trial
) -> None:
    module = trial("""
        class Keeper:
            def __init__(self, model):
                self.model = model

            def hear(self, **kwargs):
                self.model.objects.create()

            def __call__(self, **kwargs):
                self.hear()
    """)
    keeper = module.Keeper(Product)
    saved = "save shop.Product: certain > pre_save shop.Product, post_save shop.Product"

    assert list(told(effects.of_receiver(keeper.hear))) == [saved]
    assert list(told(effects.of_receiver(keeper))) == [
        "call trial_module.Keeper.hear: certain",
        f"  {saved}",
    ]


def test_what_a_class_holds_is_read_there_unless_a_subclass_has_its_own(
    effects: Effects, trial: Trial
) -> None:
    module = trial("""
        from functools import partialmethod

        class Keeper:
            def keep(self, thing):
                thing.save()

            keep_review = partialmethod(keep, Review())

        class Service:
            keeper = Keeper()
            placed = order_placed

        class Other(Service):
            placed = None

        def f(sender, instance, service: type[Service], **kwargs):
            Service.keeper.keep(instance)
            Service.placed.send(sender)
            service.placed.send(sender=sender)
            Keeper().keep_review()
            Order._meta.default_manager.create()
    """)

    assert list(told(effects.of_receiver(module.f, sender=Order, signal=post_save))) == [
        "call trial_module.Keeper.keep: certain",
        f"  {ORDER_SAVED}",
        "send shop.signals.order_placed: certain > order_placed shop.Order",
        (
            "send service.placed.send(sender=sender): unknown (what `service.placed` is cannot be "
            "told)"
        ),
        "call trial_module.Keeper.keep: certain",
        f"  save shop.Review: certain > {SAVED('shop.Review')}",
        ORDER_SAVED,
    ]


def test_a_class_that_is_entered_does_its_work_before_and_after(
    effects: Effects, trial: Trial
) -> None:
    module = trial("""
        class Kept:
            def __init__(self, order):
                self.order = order

            def __enter__(self):
                Review.objects.create()
                return self.order

            def __exit__(self, *failure):
                self.order.delete()

        class Waited:
            async def __aenter__(self):
                await Review.objects.acreate()

            async def __aexit__(self, *failure):
                pass

        def f(instance, **kwargs):
            with transaction.atomic(), Kept(instance) as order:
                order.save()
                return

        async def g(**kwargs):
            async with Waited():
                await Order.objects.acreate()
    """)
    review = f"save shop.Review: certain > {SAVED('shop.Review')}"

    steps = list(told(effects.of_receiver(module.f, sender=Order)))

    assert steps[:5] == [
        "call trial_module.Kept.__enter__: certain",
        f"  {review}",
        ORDER_SAVED,
        "call trial_module.Kept.__exit__: certain",
        f"  delete shop.Order: certain > {DELETED('shop.Order')}",
    ]
    assert list(told(effects.of_receiver(module.g))) == [
        "call trial_module.Waited.__aenter__: certain",
        f"  {review}",
        ORDER_SAVED,
    ]


def test_what_a_closure_and_a_partial_were_given_is_known(effects: Effects, trial: Trial) -> None:
    module = trial("""
        def make(model):
            def hear(**kwargs):
                model.objects.create()
            return hear

        def keep(model, **kwargs):
            model.objects.create()

        hear = make(Product)
        keep_order = partial(keep, model=Order)
    """)

    assert list(told(effects.of_receiver(module.hear))) == [
        "save shop.Product: certain > pre_save shop.Product, post_save shop.Product"
    ]
    assert list(told(effects.of_receiver(module.keep_order))) == [ORDER_SAVED]


def test_a_decorator_of_the_project_decides_whether_the_receiver_runs(
    effects: Effects, trial: Trial
) -> None:
    module = trial("""
        import functools

        def unless_raw(function):
            @functools.wraps(function)
            def inner(*args, **kwargs):
                if not kwargs.get("raw"):
                    return function(*args, **kwargs)
            return inner

        @unless_raw
        def f(instance, **kwargs):
            instance.save()

        @transaction.atomic
        def g(instance, **kwargs):
            instance.save()
    """)

    assert list(told(effects.of_receiver(module.f, sender=Order))) == [
        "call trial_module.f: may `if not kwargs.get('raw'):`",
        f"  {ORDER_SAVED}",
    ]
    assert list(told(effects.of_receiver(module.g, sender=Order))) == [ORDER_SAVED]


def test_what_custom_signals_are_sent_with_says_what_their_receivers_get(
    effects: Effects, trial: Trial
) -> None:
    module = trial("""
        from django.dispatch import Signal
        shipped = Signal()

        def ship(order: Order):
            shipped.send(sender=Order, order=order, parcel=Review())

        def f(order, parcel, **kwargs):
            order.save()
            parcel.save()
    """)
    source = effects.functions.source_of(str(module.__file__), "trial_module")
    assert source is not None
    effects.functions.project.sources.append(source)

    steps = effects.of_receiver(module.f, sender=Order, signal=module.shipped)

    assert list(told(steps)) == [
        ORDER_SAVED,
        "save shop.Review: certain > pre_save shop.Review, post_save shop.Review",
    ]


def test_a_task_is_named_and_what_it_does_comes_later(effects: Effects, trial: Trial) -> None:
    module = trial("""
        class Task:
            def __init__(self, function):
                self.function = function

            def delay(self, *args): ...

            def enqueue(self, *args): ...

        def task(function):
            return Task(function)

        @task
        def count(pk):
            Review.objects.create()

        def f(instance, **kwargs):
            count.delay(instance.pk)
            transaction.on_commit(partial(count.enqueue, instance.pk))
    """)
    review = "save shop.Review: certain > pre_save shop.Review, post_save shop.Review"

    assert list(told(effects.of_receiver(module.f, sender=Order))) == [
        "task trial_module.count: certain",
        f"  {review}",
        "callback partial(trial_module.count.enqueue): certain",
        "  task trial_module.count: certain",
        f"    {review}",
    ]


def test_a_task_with_other_settings_is_that_task_and_may_be_run_at_once(
    effects: Effects, trial: Trial
) -> None:
    module = trial("""
        class Task:
            def __init__(self, function):
                self.function = function

        @Task
        def count(pk):
            Review.objects.create()

        def f(instance, **kwargs):
            count.using(priority=3).enqueue(instance.pk)
            transaction.on_commit(count.s(instance.pk).delay)
            count.apply(args=[instance])
            count.call(instance)
    """)
    review = f"save shop.Review: certain > {SAVED('shop.Review')}"
    queued = ["task trial_module.count: certain", f"  {review}"]

    assert list(told(effects.of_receiver(module.f, sender=Order))) == [
        *queued,
        "callback trial_module.count.delay: certain",
        *(f"  {each}" for each in queued),
        *["call trial_module.count: may", f"  {review}"] * 2,
    ]


def test_a_task_that_celery_is_given_by_name_is_the_function_there_if_there_is_one(
    effects: Effects, trial: Trial
) -> None:
    pytest.importorskip("celery")
    module = trial("""
        import celery

        app = celery.Celery("trial")

        def count(pk):
            Review.objects.create()

        def f(instance, **kwargs):
            app.send_task("trial_module.count", [1])
            app.send_task("elsewhere.count", [1])
            app.send_task(kwargs["name"])
    """)

    assert list(told(effects.of_receiver(module.f, sender=Order))) == [
        "task trial_module.count: certain",
        f"  save shop.Review: certain > {SAVED('shop.Review')}",
        "task elsewhere.count: certain",
        (
            "task app.send_task(kwargs['name']): unknown (the code of "
            "celery.app.base.Celery.send_task() is not the project's)"
        ),
    ]


def test_what_a_package_saves_or_queues_by_code_of_its_own_is_unknown(
    effects: Effects, trial: Trial
) -> None:
    pytest.importorskip("celery")
    pytest.importorskip("rest_framework")
    module = trial("""
        from celery import chain
        from rest_framework.serializers import ModelSerializer

        class ReviewSerializer(ModelSerializer):
            class Meta:
                model = Review
                fields = ("stars",)

        class Own(ReviewSerializer):
            def save(self):
                return super().save()

        def f(sender, instance, **kwargs):
            chain().delay()
            ReviewSerializer(data={}).save()
            Own().save()
            ReviewSerializer(data={}).is_valid()
            kwargs["queue"].enqueue(len)
    """)

    assert list(told(effects.of_receiver(module.f))) == [
        (
            "task chain().delay(): unknown (the code of celery.canvas.chain.delay() is not the "
            "project's)"
        ),
        (
            "save ReviewSerializer(data={}).save(): unknown (the code of "
            "trial_module.ReviewSerializer.save() is not the project's)"
        ),
        "call trial_module.Own.save: certain",
        (
            "  save super().save(): unknown (the code of trial_module.Own.save() is not the "
            "project's)"
        ),
        ("task kwargs['queue'].enqueue(len): unknown (what `kwargs['queue']` is cannot be told)"),
    ]


def test_an_overridden_save_is_a_step_with_steps_of_its_own(effects: Effects, trial: Trial) -> None:
    module = trial("""
        def f(**kwargs):
            WithSave.objects.create()
    """)
    saved = "pre_save commissions.WithSave, post_save commissions.WithSave"
    own = [
        f"save commissions.WithSave: certain > {saved}",
        "call commissions.models.BaseCommission.add_to_account: may `if is_new:`",
        "  bulk commissions.Account: certain",
        "callback partial(commissions.post.confirm): may `if is_new:`",
    ]

    assert list(told(effects.of_receiver(module.f))) == [
        "save commissions.WithSave: certain",
        *(f"  {each}" for each in own),
    ]
    assert list(told(effects.of_method(WithSave, "save"))) == own
    assert effects.of_method(Commission, "save") == ()


@isolate_apps("shop")
def test_a_save_that_never_calls_super_sends_nothing_and_that_is_said(
    effects: Effects, trial: Trial
) -> None:
    module = trial("""
        class Frozen(models.Model):
            class Meta:
                app_label = "shop"

            def save(self, *args, **kwargs):
                raise NotImplementedError

            def delete(self, *args, **kwargs):
                self.is_gone = True
                super().save()

        def f(sender, instance, **kwargs):
            instance.save()
            instance.delete()
    """)

    assert list(told(effects.of_receiver(module.f, sender=module.Frozen))) == [
        "save shop.Frozen: certain (shop.Frozen.save() never calls super(): nothing is sent)",
        "delete shop.Frozen: certain (shop.Frozen.delete() never calls super(): nothing is sent)",
        "  save shop.Frozen: certain > pre_save shop.Frozen, post_save shop.Frozen",
    ]


@isolate_apps("shop")
def test_super_of_a_mixin_that_is_named_is_what_comes_after_the_mixin(
    effects: Effects, trial: Trial
) -> None:
    module = trial("""
        class Soft:
            def delete(self):
                self.gone = True
                self.save()

        class Note(Soft, models.Model):
            class Meta:
                app_label = "shop"

            def hard_delete(self):
                super(Soft, self).delete()

            def soft_delete(self):
                super(Note, self).delete()

            def some_delete(self, after):
                super(after, self).delete()

        def f(instance, **kwargs):
            instance.hard_delete()
            instance.soft_delete()
            instance.some_delete(kwargs["after"])
            super(Soft, instance).delete()
    """)

    assert list(told(effects.of_receiver(module.f, sender=module.Note))) == [
        "call trial_module.Note.hard_delete: certain",
        f"  delete shop.Note: certain > {DELETED('shop.Note')}",
        "call trial_module.Note.soft_delete: certain",
        "  call trial_module.Soft.delete: certain",
        f"    save shop.Note: certain > {SAVED('shop.Note')}",
        "call trial_module.Note.some_delete: certain",
        (
            "  delete super(after, self).delete(): unknown "
            "(what `super(after, self)` is cannot be told)"
        ),
        f"delete shop.Note: certain > {DELETED('shop.Note')}",
    ]


@isolate_apps("shop")
def test_a_child_is_saved_as_itself_and_deleted_with_its_parent(
    effects: Effects, trial: Trial
) -> None:
    module = trial("""
        class Place(models.Model):
            class Meta:
                app_label = "shop"

        class Cafe(Place):
            class Meta:
                app_label = "shop"

        class Bar(Cafe):
            class Meta:
                app_label = "shop"
                proxy = True

        def f(**kwargs):
            Cafe.objects.create()
            Bar().save()
            Cafe().delete()
    """)

    assert list(told(effects.of_receiver(module.f))) == [
        "save shop.Cafe: certain > pre_save shop.Cafe, post_save shop.Cafe",
        "save shop.Bar: certain > pre_save shop.Bar, post_save shop.Bar",
        (
            "delete shop.Cafe: certain > pre_delete shop.Cafe, pre_delete shop.Place, "
            "post_delete shop.Cafe, post_delete shop.Place"
        ),
    ]


@isolate_apps("shop")
def test_methods_of_managers_and_querysets_are_followed_for_their_model(
    effects: Effects, trial: Trial
) -> None:
    module = trial("""
        class Notes(models.QuerySet):
            def old(self):
                return self.filter(pk=1)

            def close(self):
                for note in self:
                    note.save()
                return self.update(text="")

        class NoteManager(models.Manager.from_queryset(Notes)):
            def note(self, text):
                return self.create(text=text)

        class Note(models.Model):
            text = models.TextField()
            objects = NoteManager()

            class Meta:
                app_label = "shop"

        def f(**kwargs):
            Note.objects.note("a").delete()
            Note.objects.old().close()
    """)
    saved = "pre_save shop.Note, post_save shop.Note"

    assert list(told(effects.of_receiver(module.f))) == [
        "call trial_module.NoteManager.note: certain",
        f"  save shop.Note: certain > {saved}",
        "delete shop.Note: certain > pre_delete shop.Note, post_delete shop.Note",
        "call trial_module.Notes.close: certain",
        f"  save shop.Note: may `for note in self:` > {saved}",
        "  bulk shop.Note: certain",
    ]


@isolate_apps("shop")
def test_related_rows_have_the_default_manager_of_their_model_whatever_its_name(
    effects: Effects, trial: Trial
) -> None:
    module = trial("""
        class Loud(models.Manager):
            def create(self, **kwargs):
                Review.objects.create()
                return super().create(**kwargs)

        class Shelf(models.Model):
            class Meta:
                app_label = "shop"

        class Note(models.Model):
            shelf = models.ForeignKey(Shelf, models.CASCADE, related_name="notes")
            every = models.Manager()
            objects = Loud()

            class Meta:
                app_label = "shop"

        class Poem(models.Model):
            shelf = models.ForeignKey(Shelf, models.CASCADE, related_name="poems")
            loud = Loud()
            objects = models.Manager()

            class Meta:
                app_label = "shop"

        def quiet(**kwargs):
            Shelf.objects.get().notes.create()
            Note._default_manager.create()
            Poem._base_manager.create()

        def loud(**kwargs):
            Shelf.objects.get().poems.create()
            Poem._default_manager.create()
    """)

    assert list(told(effects.of_receiver(module.quiet))) == [
        f"save shop.Note: certain > {SAVED('shop.Note')}",
        f"save shop.Note: certain > {SAVED('shop.Note')}",
        f"save shop.Poem: certain > {SAVED('shop.Poem')}",
    ]
    made = [
        "call trial_module.Loud.create: certain",
        f"  save shop.Review: certain > {SAVED('shop.Review')}",
        f"  save shop.Poem: certain > {SAVED('shop.Poem')}",
    ]
    assert list(told(effects.of_receiver(module.loud))) == made * 2


@isolate_apps("shop")
def test_a_manager_leaves_to_its_queryset_what_it_does_not_do_itself(
    effects: Effects, trial: Trial
) -> None:
    module = trial("""
        class Notes(models.QuerySet):
            def update(self, **kwargs):
                Review.objects.create()
                return super().update(**kwargs)

            def note(self):
                return self.create()

            def delete(self):
                self.update(gone=True)

        class NoteManager(models.Manager.from_queryset(Notes)):
            def create(self, **kwargs):
                Order.objects.create()
                return super().create(**kwargs)

        class Note(models.Model):
            objects = NoteManager()
            notes = Notes.as_manager()

            class Meta:
                app_label = "shop"

        def f(**kwargs):
            Note.notes.update()
            Note.objects.create()

        async def later(**kwargs):
            await Note.notes.aupdate()
            await Note.objects.filter(pk=1).aupdate()

        def by_the_queryset(**kwargs):
            Note.objects.note()
            Note.objects.filter(pk=1).create()
            Note.objects.filter(pk=1).delete()
    """)
    review = f"save shop.Review: certain > {SAVED('shop.Review')}"
    note = f"save shop.Note: certain > {SAVED('shop.Note')}"
    updated = [
        "call trial_module.Notes.update: certain",
        f"  {review}",
        "  bulk shop.Note: certain",
    ]

    assert list(told(effects.of_receiver(module.f))) == [
        *updated,
        "call trial_module.NoteManager.create: certain",
        f"  {ORDER_SAVED}",
        f"  {note}",
    ]
    assert list(told(effects.of_receiver(module.later))) == updated * 2
    assert list(told(effects.of_receiver(module.by_the_queryset))) == [
        "call trial_module.Notes.note: certain",
        f"  {note}",
        note,
        "call trial_module.Notes.delete: certain",
        *(f"  {each}" for each in updated),
    ]


@isolate_apps("shop")
def test_a_manager_has_the_queryset_that_its_get_queryset_returns(
    effects: Effects, trial: Trial
) -> None:
    module = trial("""
        class Soft(models.QuerySet):
            def hide(self):
                return self.update(gone=True)

            def delete(self):
                return self.hide()

        class SoftManager(models.Manager):
            def get_queryset(self):
                return Soft(self.model, using=self._db).filter(gone=False)

        class Strange(models.Manager):
            def get_queryset(self):
                return strange_rows[self.model]()

        strange_rows = {}

        class Note(models.Model):
            objects = SoftManager()
            strange = Strange()

            class Meta:
                app_label = "shop"

        def f(**kwargs):
            Note.objects.filter(pk=1).delete()

        def strange(**kwargs):
            Note.strange.create()
            Note.strange.update()
            Note.strange.filter(pk=1).delete()
    """)
    hidden = ["call trial_module.Soft.hide: certain", "  bulk shop.Note: certain"]

    assert list(told(effects.of_receiver(module.f))) == [
        "call trial_module.Soft.delete: certain",
        *(f"  {each}" for each in hidden),
    ]
    assert list(told(effects.of_receiver(module.strange))) == [
        f"save shop.Note: may > {SAVED('shop.Note')}",
        "bulk shop.Note: may",
        f"delete shop.Note: may > {DELETED('shop.Note')}",
    ]


@isolate_apps("shop")
def test_a_row_that_a_manager_of_the_project_makes_is_related_as_well(
    effects: Effects, trial: Trial
) -> None:
    module = trial("""
        class Loud(models.Manager):
            def create(self, **kwargs):
                Review.objects.create()
                return super().create(**kwargs)

        class Label(models.Model):
            objects = Loud()

            class Meta:
                app_label = "shop"

        class Note(models.Model):
            labels = models.ManyToManyField(Label)

            class Meta:
                app_label = "shop"

        def f(instance, **kwargs):
            instance.labels.create()
    """)

    assert list(told(effects.of_receiver(module.f, sender=module.Note))) == [
        "call trial_module.Loud.create: certain",
        f"  save shop.Review: certain > {SAVED('shop.Review')}",
        f"  save shop.Label: certain > {SAVED('shop.Label')}",
        "many_to_many shop.Label: certain > m2m_changed shop.Note_labels",
    ]


def test_what_m2m_changed_is_sent_with_is_of_either_end(effects: Effects, trial: Trial) -> None:
    module = trial("""
        def f(instance, **kwargs):
            instance.save()
    """)

    steps = effects.of_receiver(module.f, sender=User_groups(), signal=m2m_changed)

    assert list(told(steps)) == [
        "save auth.User: may > pre_save auth.User, post_save auth.User",
        "save auth.Group: may > pre_save auth.Group, post_save auth.Group",
    ]


def User_groups() -> Any:  # noqa: N802  # as Django calls the table
    from django.contrib.auth.models import User

    return User.groups.through


def test_a_form_of_a_model_saves_it_unless_it_is_told_not_to(
    effects: Effects, trial: Trial
) -> None:
    module = trial("""
        from django import forms

        class ReviewForm(forms.ModelForm):
            class Meta:
                model = Review
                fields = ["stars"]

        def f(**kwargs):
            ReviewForm().save()
            review = ReviewForm().save(commit=False)
            review.delete()
    """)

    assert list(told(effects.of_receiver(module.f))) == [
        "save shop.Review: certain > pre_save shop.Review, post_save shop.Review",
        "delete shop.Review: certain > pre_delete shop.Review, post_delete shop.Review",
    ]


def test_a_form_saves_as_it_is_told_by_place_as_by_name_and_through_a_save_of_its_own(
    effects: Effects, trial: Trial
) -> None:
    module = trial("""
        from django import forms

        class ReviewForm(forms.ModelForm):
            class Meta:
                model = Review
                fields = ["stars"]

        class Later(ReviewForm):
            def save(self, commit=True):
                review = super().save(commit=False)
                if commit:
                    review.save()
                return review

        class HandsOn(ReviewForm):
            def save(self, commit=True):
                review = super().save(commit)
                Order.objects.create()
                return review

        def f(form: ReviewForm, **kwargs):
            ReviewForm().save(False).delete()
            ReviewForm().save(commit=kwargs["commit"]).delete()
            ReviewForm().save(**kwargs["options"])
            ReviewForm().save(True)
            Later().save()
            HandsOn().save().delete()
            form.save()
    """)
    deleted = f"delete shop.Review: certain > {DELETED('shop.Review')}"
    saved = f"save shop.Review: {{}} > {SAVED('shop.Review')}".format

    assert list(told(effects.of_receiver(module.f))) == [
        deleted,
        *(saved("may"), deleted),
        saved("may"),
        saved("certain"),
        "call trial_module.Later.save: certain",
        f"  {saved('may `if commit:`')}",
        "call trial_module.HandsOn.save: certain",
        f"  {saved('may')}",
        f"  {ORDER_SAVED}",
        deleted,
        saved("may"),
    ]


def test_a_function_is_found_by_its_line_and_told_where_each_step_stands(
    effects: Effects, trial: Trial
) -> None:
    module = trial("""
        def other():
            pass

        @transaction.atomic
        def place(order: Order):
            order.save()
    """)
    file = str(module.__file__)
    line = Path(file).read_text().splitlines().index("@transaction.atomic") + 1

    [step] = effects.of_function(file, line, "place")

    assert (step.text, step.location.line, step.location.function) == (
        "order.save()",
        line + 2,
        "place",
    )
    assert effects.of_function(file, line + 1, "place") == (step,)
    assert effects.of_function(file, 1, "place") == ()
    assert effects.of_function("/nowhere/at_all.py", 1, "place") == ()


@pytest.mark.parametrize("receiver", [len, print, object(), int, "text", str.upper])
def test_a_receiver_without_source_has_no_steps(effects: Effects, receiver: object) -> None:
    assert effects.of_receiver(receiver) == ()


def test_receivers_of_packages_have_no_steps(effects: Effects) -> None:
    from django.contrib.auth.models import update_last_login

    assert effects.of_receiver(update_last_login) == ()


def test_nothing_of_a_project_is_run_while_its_source_is_read(
    effects: Effects, trial: Trial
) -> None:
    module = trial("""
        ran = []

        class Meta(type):
            def __hash__(cls):
                ran.append("hash")
                return 1

            def __eq__(cls, other):
                ran.append("eq")
                return cls is other

        class Strange(metaclass=Meta):
            def __getattr__(self, name):
                ran.append(name)

            def __bool__(self):
                ran.append("bool")
                return True

            @property
            def review(self):
                ran.append("review")
                return Review()

            def hear(self, other, **kwargs):
                self.review.save()
                other.review.save()
                self.nothing.save()
                Strange().review.save()

        strange = Strange()
        hear = partial(strange.hear, strange)
    """)
    review = "save shop.Review: certain > pre_save shop.Review, post_save shop.Review"

    steps = effects.of_receiver(module.hear)

    assert list(told(steps)) == [
        review,
        review,
        "save self.nothing.save(): unknown (what `self.nothing` is cannot be told)",
        review,
    ]
    assert module.ran == []


def test_what_may_be_overridden_or_never_be_gone_over_is_no_certain_call(
    effects: Effects, trial: Trial
) -> None:
    module = trial("""
        from functools import lru_cache

        class Service:
            def run(self):
                Order.objects.create()

            def model_of(self):
                return Review

            def check(self):
                Order.objects.create()

        class Other(Service):
            def run(self):
                pass

            def model_of(self):
                return Order

        def orders():
            yield Order.objects.create()

        @lru_cache
        def once():
            Order.objects.create()

        def f(service: Service, **kwargs):
            service.run()
            service.check()
            service.model_of().objects.create()
            list(orders())
            once()
            Service().run()
    """)

    assert list(told(effects.of_receiver(module.f))) == [
        "call trial_module.Service.run: may",
        f"  {ORDER_SAVED}",
        "call trial_module.Service.check: certain",
        f"  {ORDER_SAVED}",
        (
            "save service.model_of().objects.create(): unknown (what "
            "`service.model_of().objects` is cannot be told)"
        ),
        "call trial_module.orders: may",
        f"  {ORDER_SAVED}",
        "call trial_module.once: may",
        f"  {ORDER_SAVED}",
        "call trial_module.Service.run: certain",
        f"  {ORDER_SAVED}",
    ]


def test_any_of_the_functions_that_singledispatch_chooses_from_may_run(
    effects: Effects, trial: Trial
) -> None:
    module = trial("""
        from functools import singledispatch

        @singledispatch
        def keep(thing, **kwargs):
            Order.objects.create()

        @keep.register
        def keep_text(thing: str, **kwargs):
            Review.objects.create()

        def f(**kwargs):
            keep(kwargs["thing"])
    """)
    review = f"save shop.Review: certain > {SAVED('shop.Review')}"
    chosen = "what `singledispatch` chooses by the type of its argument"

    assert list(told(effects.of_receiver(module.f))) == [
        "call trial_module.keep: may",
        f"  {ORDER_SAVED}",
        "call trial_module.keep_text: may",
        f"  {review}",
    ]
    assert list(told(effects.of_receiver(module.keep))) == [
        f"save shop.Order: may {chosen} > {SAVED('shop.Order')}"
    ]


def test_what_is_only_called_does_nothing_until_it_is_awaited_or_gone_over(
    effects: Effects, trial: Trial
) -> None:
    module = trial("""
        import asyncio
        from asgiref.sync import async_to_sync, sync_to_async
        from functools import wraps

        async def later():
            Order().save()

        def one_by_one():
            Order().save()
            yield 1

        def at_once(function):
            return lambda: asyncio.run(function())

        @at_once
        async def now():
            Order().save()

        def f(**kwargs):
            later()
            one_by_one()

        def perhaps(**kwargs):
            kwargs["loop"].create_task(later())
            list(one_by_one())

        def surely(**kwargs):
            now()
            asyncio.run(later())
            async_to_sync(later)()

        async def awaited(**kwargs):
            await later()
            await sync_to_async(Order().save)()
    """)

    def certainties(function: Any) -> list[str]:
        return [each.certainty for each in effects.of_receiver(function)]

    assert certainties(module.f) == []
    assert certainties(module.perhaps) == ["may"] * 2
    assert certainties(module.surely) == ["certain"] * 3
    assert certainties(module.awaited) == ["certain"] * 2


def test_what_a_generator_yields_is_gone_over_or_entered(effects: Effects, trial: Trial) -> None:
    module = trial("""
        from contextlib import contextmanager

        def reviews():
            yield Review()

        @contextmanager
        def an_order():
            yield Order()

        def f(**kwargs):
            for review in reviews():
                review.save()
            with an_order() as order:
                order.save()
    """)

    assert list(told(effects.of_receiver(module.f))) == [
        (
            "save shop.Review: may `for review in reviews():` > "
            "pre_save shop.Review, post_save shop.Review"
        ),
        ORDER_SAVED,
    ]


def test_an_import_inside_a_function_names_something_in_that_function_alone(
    effects: Effects, trial: Trial
) -> None:
    module = trial("""
        def first():
            from shop.models import Order as Same
            Same.objects.create()

        def second():
            from shop.models import Review as Same
            Same.objects.create()

        def third():
            from shop.models import Review as Product
            Product.objects.create()

        def f(**kwargs):
            first()
            second()
            Product.objects.create()
    """)

    assert list(told(effects.of_receiver(module.f))) == [
        "call trial_module.first: certain",
        f"  {ORDER_SAVED}",
        "call trial_module.second: certain",
        f"  save shop.Review: certain > {SAVED('shop.Review')}",
        f"save shop.Product: certain > {SAVED('shop.Product')}",
    ]


def test_an_inner_function_finds_what_its_names_stand_for_when_it_is_called(
    effects: Effects, trial: Trial
) -> None:
    module = trial("""
        def rebound(**kwargs):
            target = Order()
            transaction.on_commit(lambda: target.save())
            target = Review()

        def rebound_in_a_loop(**kwargs):
            calls = []
            for _ in kwargs["rows"]:
                target = Order()
                for each in calls:
                    each()
                target = Review()
                transaction.on_commit(lambda: target.save())

        def rebound_by_another(**kwargs):
            target = Order()
            def change():
                nonlocal target
                target = Review()
            def later():
                target.save()
            change()
            later()
            target.save()

        def bound_before(**kwargs):
            if kwargs["which"]:
                target = Order()
            else:
                target = None
            transaction.on_commit(lambda: target.save())

        def below(**kwargs):
            def outer():
                inner()
            def inner():
                Order.objects.create()
            outer()
    """)
    unknown = "save target.save(): unknown (what `target` is cannot be told)"

    assert list(told(effects.of_receiver(module.rebound))) == [
        "callback trial_module.rebound.<locals>.<lambda>: certain",
        f"  {unknown}",
    ]
    assert [*told(effects.of_receiver(module.rebound_in_a_loop))][1:] == [f"  {unknown}"]
    assert list(told(effects.of_receiver(module.rebound_by_another))) == [
        "call trial_module.rebound_by_another.<locals>.later: certain",
        f"  {unknown}",
        unknown,
    ]
    assert [*told(effects.of_receiver(module.bound_before))][1:] == [f"  {ORDER_SAVED}"]
    assert list(told(effects.of_receiver(module.below))) == [
        "call trial_module.below.<locals>.outer: certain",
        "  call trial_module.below.<locals>.inner: certain",
        f"    {ORDER_SAVED}",
    ]


def test_the_else_of_a_loop_runs_under_a_condition_where_something_ends_the_loop_early(
    effects: Effects, trial: Trial
) -> None:
    module = trial("""
        def f(**kwargs):
            for each in kwargs["rows"]:
                if each:
                    break
            else:
                Order.objects.create()
            for each in kwargs["rows"]:
                for other in each:
                    break
            else:
                Order.objects.create()
    """)

    assert list(told(effects.of_receiver(module.f))) == [
        (f"save shop.Order: may the else of `for each in kwargs['rows']:` > {SAVED('shop.Order')}"),
        ORDER_SAVED,
    ]


@isolate_apps("shop")
def test_the_deletion_of_a_proxy_takes_along_what_refers_to_its_model() -> None:
    class Patron(User):
        class Meta:
            proxy = True
            app_label = "shop"

    def taken_along_by(model: type) -> list[str]:
        return [each.text for each in sendings.cascades(model, Location("", 1, ""))]

    assert "CASCADE of accounts.Profile.user" in taken_along_by(User)
    assert taken_along_by(Patron) == taken_along_by(User)


@isolate_apps("shop")
def test_a_deletion_that_keeps_the_parents_sends_nothing_of_theirs(
    effects: Effects, trial: Trial
) -> None:
    module = trial("""
        class Place(models.Model):
            class Meta:
                app_label = "shop"

        class Cafe(Place):
            class Meta:
                app_label = "shop"

        class Bar(Place):
            class Meta:
                app_label = "shop"

            def delete(self, using=None, keep_parents=False):
                return super().delete(using=using, keep_parents=keep_parents)

        def f(**kwargs):
            Cafe().delete(keep_parents=True)
            Cafe().delete(None, True)
            Cafe().delete(keep_parents=False)
            Cafe().delete(keep_parents=kwargs["keep"])
            Bar().delete()
    """)
    alone = "pre_delete shop.Cafe, post_delete shop.Cafe"
    both = (
        "pre_delete shop.Cafe, pre_delete shop.Place, post_delete shop.Cafe, post_delete shop.Place"
    )

    assert list(told(effects.of_receiver(module.f))) == [
        f"delete shop.Cafe: certain > {alone}",
        f"delete shop.Cafe: certain > {alone}",
        f"delete shop.Cafe: certain > {both}",
        f"delete shop.Cafe: may > {both}",
        "delete shop.Bar: certain",
        f"  delete shop.Bar: may > {both.replace('Cafe', 'Bar')}",
    ]


def test_a_save_is_certain_only_where_there_are_fields_to_update(
    effects: Effects, trial: Trial
) -> None:
    module = trial("""
        def store(order, fields=None):
            order.save(update_fields=fields)

        def f(order: Order, **kwargs):
            order.save(update_fields=None)
            order.save(update_fields=["status"])
            order.save(update_fields=("status", *kwargs["fields"]))
            fields = ("status",)
            order.save(update_fields=fields)
            order.save(update_fields=kwargs["fields"])
            order.save(update_fields=[*kwargs["fields"]])
            order.save(**kwargs["options"])
            order.save(False, False, None, kwargs["fields"])
            order.asave(update_fields={name for name in kwargs["fields"]})
            store(order, [])
            models.Model.save(order, update_fields=kwargs["fields"])
            partial(order.save, update_fields=[])()
            order.save(update_fields=[])
            order.save(update_fields=())
            order.save(False, False, None, [])
            models.Model.save(order, update_fields=[])
            Order.objects.create(**kwargs["values"])
    """)
    perhaps = f"save shop.Order: may > {SAVED('shop.Order')}"

    assert list(told(effects.of_receiver(module.f))) == [
        *[ORDER_SAVED] * 4,
        *[perhaps] * 5,
        "call trial_module.store: certain",
        f"  {perhaps}",
        *[perhaps] * 2,
        ORDER_SAVED,
    ]


@isolate_apps("shop")
def test_a_save_of_its_own_hands_on_which_fields_it_is_told_to_update(
    effects: Effects, trial: Trial
) -> None:
    module = trial("""
        class Base(models.Model):
            class Meta:
                app_label = "shop"
                abstract = True

            def save(self, force_insert=False, force_update=False, using=None, update_fields=None):
                super().save(force_insert, using=using, update_fields=update_fields)

        class Note(Base):
            class Meta:
                app_label = "shop"

        class Mark(Base):
            class Meta:
                app_label = "shop"

            def save(self, *args, **kwargs):
                super().save(*args, **kwargs)

        def f(**kwargs):
            Note().save()
            Note().save(update_fields=["text"])
            Note().save(update_fields=kwargs["fields"])
            Note.objects.create(text="a")
            Mark().save(update_fields={"text"})
            Mark().save(update_fields=kwargs["fields"])
    """)
    saved = f"save shop.Note: {{}} > {SAVED('shop.Note')}".format
    marked = f"save shop.Mark: {{}} > {SAVED('shop.Mark')}".format

    def by_note(certainty: str) -> list[str]:
        return ["save shop.Note: certain", f"  {saved(certainty)}"]

    def by_mark(certainty: str) -> list[str]:
        return [
            "save shop.Mark: certain",
            "  call trial_module.Base.save: certain",
            f"    {marked(certainty)}",
        ]

    assert list(told(effects.of_receiver(module.f))) == [
        *by_note("certain"),
        *by_note("certain"),
        *by_note("may"),
        *by_note("certain"),
        *by_mark("certain"),
        *by_mark("may"),
    ]
    assert list(told(effects.of_method(module.Note, "save"))) == [saved("certain")]


def test_a_change_of_a_relation_is_certain_only_where_it_cannot_be_of_nothing(
    effects: Effects, trial: Trial
) -> None:
    module = trial("""
        def f(user: User, order: Order, **kwargs):
            user.groups.set([])
            user.groups.add(*kwargs["groups"])
            user.groups.add()
            user.groups.set([], clear=True)
            user.groups.add(1, *kwargs["groups"])
            user.groups.aclear()
            order.lines.set([])
    """)
    change = "many_to_many auth.User_groups: {} > m2m_changed auth.User_groups".format

    assert list(told(effects.of_receiver(module.f))) == [
        change("may"),
        change("may"),
        change("may"),
        change("certain"),
        change("certain"),
        change("certain"),
        "bulk shop.OrderLine: may",
    ]


def test_a_row_of_a_relation_that_may_be_got_may_not_be_added(
    effects: Effects, trial: Trial
) -> None:
    module = trial("""
        def f(user: User, **kwargs):
            user.groups.create(name="a")
            user.groups.get_or_create(name="a")
            user.groups.update_or_create(name="a")
    """)
    saved = f"save auth.Group: {{}} > {SAVED('auth.Group')}".format
    added = "many_to_many auth.Group: {} > m2m_changed auth.User_groups".format

    assert list(told(effects.of_receiver(module.f))) == [
        *(saved("certain"), added("certain")),
        *(saved("may"), added("may")),
        *(saved("may"), added("may")),
    ]


GENERIC = """
    from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
    from django.contrib.contenttypes.models import ContentType

    class Tag(models.Model):
        content_type = models.ForeignKey(ContentType, on_delete=models.CASCADE)
        object_id = models.IntegerField()
        of = GenericForeignKey()

        class Meta:
            app_label = "shop"

    class Tagged(models.Model):
        tags = GenericRelation(Tag)

        class Meta:
            app_label = "shop"
"""


@isolate_apps("shop")
def test_rows_of_a_generic_relation_are_saved_and_deleted_as_themselves(
    effects: Effects, trial: Trial
) -> None:
    body = """
    def f(**kwargs):
        tags = Tagged().tags
        tags.create()
        tags.all().delete()
        tags.clear()
        tags.remove(Tag())
        tags.remove(Tag(), bulk=False)
        tags.set([])
        tags.aset(kwargs["tags"])
        tags.add(Tag())
        tags.aadd(Tag(), bulk=False)
        tags.add(Tag(), bulk=kwargs["fast"])
    """
    module = trial(textwrap.dedent(GENERIC) + textwrap.dedent(body))
    deleted = f"delete shop.Tag: may > {DELETED('shop.Tag')}"
    saved = f"save shop.Tag: {{}} > {SAVED('shop.Tag')}".format

    assert list(told(effects.of_receiver(module.f))) == [
        saved("certain"),
        *[deleted] * 5,
        *(deleted, "bulk shop.Tag: may"),
        "bulk shop.Tag: certain",
        saved("may"),
        *(saved("may"), "bulk shop.Tag: may"),
    ]


@isolate_apps("shop")
def test_a_deletion_takes_along_the_rows_of_a_generic_relation(
    effects: Effects, trial: Trial
) -> None:
    module = trial(textwrap.dedent(GENERIC) + "\ndef f(**kwargs):\n    Tagged().delete()\n")

    assert list(told(effects.of_receiver(module.f))) == [
        "delete shop.Tagged: certain > pre_delete shop.Tagged, post_delete shop.Tagged",
        (
            "  delete shop.Tag: may rows of shop.Tag are its tags > "
            "pre_delete shop.Tag, post_delete shop.Tag"
        ),
    ]


def test_models_that_all_refer_to_each_other_are_each_told_once(
    effects: Effects, trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = "".join(
        f"class M{number}(models.Model):\n"
        + "".join(
            f"    to{other} = models.ForeignKey('M{other}', models.CASCADE, related_name='+')\n"
            for other in range(20)
        )
        + "    class Meta:\n        app_label = 'shop'\n"
        for number in range(20)
    )
    with isolate_apps("shop") as apps:
        module = trial(f"{models}\ndef f(**kwargs):\n    M0().delete()\n")
        monkeypatch.setattr(sendings, "apps", apps)
        lines = list(told(effects.of_receiver(module.f)))

    assert [each for each in lines if "M19" in each][:1] == [
        (
            f"{'  ' * 19}delete shop.M19: may rows of shop.M19 refer to it by to18 > "
            "pre_delete shop.M19, post_delete shop.M19"
        )
    ]
    assert {line.split()[1] for line in lines} == {f"shop.M{number}:" for number in range(20)}
    assert len(lines) < 20 * 20


@isolate_apps("shop")
def test_what_a_package_stands_between_a_save_and_djangos_may_go_on_to_it(
    effects: Effects, trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "site-packages"
    folder.mkdir()
    (folder / "mixin_of_a_package.py").write_text(
        "class Stamped:\n"
        "    def save(self, *args, **kwargs):\n        super().save(*args, **kwargs)\n"
        "    def delete(self, *args, **kwargs):\n        super().delete(*args, **kwargs)\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    module = trial("""
        from mixin_of_a_package import Stamped

        class Stamp(Stamped, models.Model):
            class Meta:
                app_label = "shop"

            def save(self, *args, **kwargs):
                super().save(*args, **kwargs)

            def delete(self, *args, **kwargs):
                Stamped.delete(self, *args, **kwargs)

        def f(**kwargs):
            Stamp().save()
            Stamp().delete()
    """)

    assert list(told(effects.of_receiver(module.f))) == [
        "save shop.Stamp: certain",
        f"  save shop.Stamp: may > {SAVED('shop.Stamp')}",
        "delete shop.Stamp: certain",
        f"  delete shop.Stamp: may > {DELETED('shop.Stamp')}",
    ]


@isolate_apps("shop")
def test_a_save_of_a_class_by_its_name_is_that_of_the_class(effects: Effects, trial: Trial) -> None:
    module = trial("""
        class Base(models.Model):
            class Meta:
                app_label = "shop"
                abstract = True

            def save(self, *args, **kwargs):
                super().save(*args, **kwargs)

        class Child(Base):
            class Meta:
                app_label = "shop"

            def save(self, *args, **kwargs):
                Base.save(self, *args, **kwargs)

        class Plain(models.Model):
            class Meta:
                app_label = "shop"

            def save(self, *args, **kwargs):
                models.Model.save(self, *args, **kwargs)

            def delete(self, *args, **kwargs):
                unheard_of(self)
                kwargs["by"].delete()

        def f(some, **kwargs):
            Child().save()
            Plain().save()
            Plain().delete()
            models.Model.save(some)
    """)

    assert list(told(effects.of_receiver(module.f))) == [
        "save shop.Child: certain",
        "  call trial_module.Base.save: certain",
        f"    save shop.Child: certain > {SAVED('shop.Child')}",
        "save shop.Plain: certain",
        f"  save shop.Plain: certain > {SAVED('shop.Plain')}",
        f"delete shop.Plain: may > {DELETED('shop.Plain')}",
        '  delete kwargs["by"].delete(): unknown (what `kwargs["by"]` is cannot be told)'.replace(
            '"', "'"
        ),
        ("save models.Model.save(some): unknown (it may be any model that inherits from this one)"),
    ]


def test_no_attribute_of_what_a_receiver_calls_is_computed(effects: Effects, trial: Trial) -> None:
    module = trial("""
        from types import MethodType

        ran = []

        class Loud:
            def __getattr__(self, name):
                ran.append(name)
                raise RuntimeError(name)

            def __call__(self, *args): ...

        class Name:
            def __format__(self, spec):
                ran.append("format")
                raise RuntimeError(spec)

            __str__ = __format__

        def in_no_module(): ...

        method = MethodType(Loud(), Order)
        in_no_module.__module__ = Name()

        def f(**kwargs):
            method()
            in_no_module()
            Order.objects.create()
    """)

    assert list(told(effects.of_receiver(module.f))) == [ORDER_SAVED]
    assert module.ran == []


def test_a_list_that_holds_itself_can_be_given_to_a_receiver(
    effects: Effects, trial: Trial
) -> None:
    module = trial("""
        endless = []
        endless.append(endless)

        def f(rows, **kwargs):
            for row in rows:
                row.save()
            Order.objects.create()

        hear = partial(f, endless)
    """)

    assert list(told(effects.of_receiver(module.hear))) == [ORDER_SAVED]


def test_a_receiver_that_cannot_be_read_is_unknown_and_the_next_is_read(
    effects: Effects, trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = trial("""
        def f(**kwargs):
            Order.objects.create()
    """)

    def fail(*_: object) -> None:
        raise ValueError

    with monkeypatch.context() as patch:
        patch.setattr(Following, "block", fail)
        in_the_body = effects.of_receiver(module.f)
    with monkeypatch.context() as patch:
        patch.setattr(effects.functions, "code_of", fail)
        before = effects.of_receiver(module.f)

    assert list(told(in_the_body)) == [
        "call trial_module.f(): unknown (reading it failed with ValueError)"
    ]
    assert list(told(before)) == ["call it: unknown (reading it failed with ValueError)"]
    assert list(told(effects.of_receiver(module.f))) == [ORDER_SAVED]


def test_a_name_that_may_stand_for_something_else_is_not_told_to_be_the_last(
    effects: Effects, trial: Trial
) -> None:
    module = trial("""
        def in_a_comprehension(**kwargs):
            row = Order()
            [row := Review() for _ in kwargs["rows"]]
            row.save()

        def what_is_left_of_a_match(**kwargs):
            row = Order()
            match kwargs:
                case {"a": 1, **row}:
                    row.save()

        def where_it_failed(**kwargs):
            try:
                row = Review()
                row.clean()
                row = Order()
            except ValueError:
                row.save()
    """)
    unknown = "(what `row` is cannot be told)"

    assert list(told(effects.of_receiver(module.in_a_comprehension))) == [
        f"save shop.Order: may > {SAVED('shop.Order')}",
        f"save shop.Review: may > {SAVED('shop.Review')}",
    ]
    assert list(told(effects.of_receiver(module.what_is_left_of_a_match))) == [
        f"save row.save(): unknown `case {{'a': 1, **row}}:` {unknown}"
    ]
    assert list(told(effects.of_receiver(module.where_it_failed))) == [
        f"save row.save(): unknown `except ValueError:` {unknown}"
    ]
