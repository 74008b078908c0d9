"""``pytest --signal-findings``: the findings over all tests of a run, each once, in review."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Project

FAILS_ROBUSTLY = """
import pytest
from shop.pay import pay

@pytest.mark.parametrize("number", range(3))
def test_pays(number):
    pay(fails=number != 1)
"""
SAVES = """
import pytest
from shop.models import Order
from shop.pay import order_twice

@pytest.mark.django_db
def test_orders():
    order_twice()

@pytest.mark.django_db
def test_sets_up_rows():
    Order.objects.bulk_create([Order()])
"""
PAY = """
from shop.models import Order
from shop.signals import paid

def pay(**arguments):
    paid.send_robust("till", **arguments)

def order_twice():
    order = Order()
    order.save()
    order.total = 7
    order.save()
"""
SHARED = """
import pytest
from shop.pay import pay

@pytest.fixture(scope="session")
def till():
    pay(fails=True)
    yield
    pay(fails=True)
"""
USES_IT = "def test_it(till): ...\n"

SWALLOWED = [
    "error swallowed-exception: shop.receivers.text_customer raised ConnectionError: the gateway "
    "is down, and send_robust() swallowed it.",
    "  shop/receivers.py:16, in 2 tests, first test_pays.py::test_pays[0]",
    "  Handle in shop.receivers.text_customer what can fail at shop/receivers.py:16, and retry "
    "what must not be lost in a task (Celery, Django's tasks). Or let the sender look through what "
    "send_robust() returns.",
]
SAVED = [
    "warning repeated-save: an Order instance was saved 2 times, at shop/pay.py:9 and 11, and "
    "each time shop.receivers.count_orders ran.",
]
BOTH = pytest.mark.parametrize(
    "processes", [(), ("-n2", "--dist=each"), ("-n2",)], ids=["one", "each", "two"]
)


def section(result: pytest.RunResult) -> list[str]:
    start = next(n for n, line in enumerate(result.outlines) if "= signal findings =" in line)
    stop = next(n for n, line in enumerate(result.outlines) if n > start and line.startswith("="))
    said = [line.rstrip() for line in result.outlines[start + 1 : stop]]
    return said if said[0] else said[1:]  # Without -q pytest leaves a line.


@pytest.fixture
def shop(project: Project) -> Project:
    (project.path / "shop" / "pay.py").write_text(PAY)
    return project


def test_x(shop: Project) -> None:
    shop.tests(test_pays=FAILS_ROBUSTLY, test_saves=SAVES, conftest=SHARED, test_uses=USES_IT)
    for options in ((), ("-n2",), ("-n2", "--dist=loadfile")):
        result = shop.run("--signal-findings", *options)
        print("\n".join(section(result)))
    assert 0
