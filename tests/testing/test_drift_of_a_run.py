"""Two versions of a project, each with its test run: what the change does to signals is told."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Project

MODELS = """
from django.db import models

class Order(models.Model):
    total = models.IntegerField(default=0)

class Sms(models.Model):
    text = models.CharField(max_length=20)
"""
RECEIVERS = """
from django.db.models.signals import post_save
from django.dispatch import receiver
from shop.models import Order, Sms

@receiver(post_save, sender=Order)
def count_orders(sender, **kwargs):
    number = Order.objects.count()
    assert number
"""
RENAMED = """
# Moved by a line or two, and with a better name.

from django.db.models.signals import post_save
from django.dispatch import receiver
from shop.models import Order, Sms


@receiver(post_save, sender=Order)
def count_orders(sender, **kwargs):
    orders_so_far = Order.objects.count()
    assert orders_so_far
"""
TEXTS = f"""{RECEIVERS}
@receiver(post_save, sender=Order)
def text_customer(sender, **kwargs):
    Sms.objects.create(text="Thank you")

@receiver(post_save, sender=Sms)
def count_texts(sender, **kwargs):
    pass
"""
ORDERS = """
import pytest
from shop.models import Order

@pytest.mark.django_db
def test_an_order():
    Order.objects.create()
"""


@pytest.fixture
def kept(project: Project) -> Project:
    """The first version, of which the graph is kept."""
    settings = project.path / "site_settings.py"
    settings.write_text(settings.read_text().replace('"shop"]', '"shop", "signal_tracer"]'))
    (project.path / "shop" / "models.py").write_text(MODELS)
    project.tests(test_shop=ORDERS)
    with_receivers(project, RECEIVERS)
    assert signal_map(project, "--write-graph", "kept.json").ret == 0
    return project


def with_receivers(project: Project, source: str) -> None:
    (project.path / "shop" / "receivers.py").write_text(source)
    project.run("--signal-graph=graph.json").assert_outcomes(passed=1)


def signal_map(project: Project, *options: str) -> pytest.RunResult:
    return project.pytester.run(
        *(sys.executable, "-m", "django", "signal_map", "--settings=site_settings"),
        *("--pythonpath=.", "--graph=graph.json", *options),
    )


def test_a_commit_that_adds_a_receiver_is_told_in_words(kept: Project) -> None:
    with_receivers(kept, TEXTS)

    result = signal_map(kept, "--check-graph=kept.json")

    assert result.ret == 1
    new, _, size = result.outlines
    assert new == (
        "new: saving shop.Order now runs shop.receivers.text_customer (seen in "
        "test_shop.py::test_an_order), which writes to shop_sms and saves shop.Sms; saving "
        "shop.Sms runs shop.receivers.count_texts"
    )
    assert size.startswith("This run has ")
    assert result.errlines == [
        (
            "CommandError: What happens differs from kept.json in 1 place. If that is meant, keep "
            "it: manage.py signal_map --graph graph.json --write-graph kept.json"
        )
    ]


def test_a_commit_that_renames_a_variable_and_moves_lines_is_not_told(kept: Project) -> None:
    with_receivers(kept, RENAMED)

    result = signal_map(kept, "--check-graph=kept.json")

    assert (result.ret, result.errlines) == (0, [])
    assert result.outlines[0].startswith("What happens is as it was kept in kept.json: ")
    before = (kept.path / "kept.json").read_text()
    signal_map(kept, "--write-graph=again.json")
    assert (kept.path / "again.json").read_text() == before
