"""What the page "When not to use signals" says of Django, and its table."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.core import serializers
from django.db import transaction
from django.db.migrations.state import ModelState, ProjectState
from django.db.models.signals import post_delete, post_save
from django.test import RequestFactory, TestCase

from shop.models import Product, Review

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "guide" / "when-not-to.md"


@contextmanager
def seen(monkeypatch: pytest.MonkeyPatch, model: type[Any]) -> Iterator[list[str]]:
    """Which of ``model``'s own methods are called, and which signals are sent."""
    found: list[str] = []
    save, delete = model.save, model.delete

    def saved(self: Any, *args: Any, **kwargs: Any) -> object:
        found.append("save()")
        return save(self, *args, **kwargs)

    def deleted(self: Any, *args: Any, **kwargs: Any) -> object:
        found.append("delete()")
        return delete(self, *args, **kwargs)

    def heard_save(raw: bool, **kwargs: Any) -> None:
        found.append("post_save, raw" if raw else "post_save")

    def heard_delete(**kwargs: Any) -> None:
        found.append("post_delete")

    monkeypatch.setattr(model, "save", saved)
    monkeypatch.setattr(model, "delete", deleted)
    post_save.connect(heard_save, sender=model)
    post_delete.connect(heard_delete, sender=model)
    try:
        yield found
    finally:
        post_save.disconnect(heard_save, sender=model)
        post_delete.disconnect(heard_delete, sender=model)


@pytest.fixture
def product(db: None) -> Product:
    return Product.objects.create(name="Teapot", description="", price="20.00")


def review_of(product: Product) -> Review:
    return Review(product=product, stars=5, text="good")


def test_create_get_or_create_and_update_or_create_call_save(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    with seen(monkeypatch, Review) as found:
        made = Review.objects.create(product=product, stars=5, text="a")
        Review.objects.get_or_create(product=product, stars=4, text="b")
        Review.objects.update_or_create(pk=made.pk, defaults={"stars": 3})
    assert found == ["save()", "post_save"] * 3


def test_bulk_operations_neither_call_save_nor_send_signals(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    with seen(monkeypatch, Review) as found:
        made = Review.objects.bulk_create([review_of(product), review_of(product)])
        made = list(Review.objects.all())
        Review.objects.bulk_update(made, ["stars"])
        Review.objects.update(stars=1)
    assert found == []


def test_deleting_a_queryset_sends_post_delete_and_does_not_call_delete(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    review_of(product).save()
    with seen(monkeypatch, Review) as found:
        Review.objects.all().delete()
    assert found == ["post_delete"]


def test_a_cascade_sends_post_delete_and_does_not_call_delete(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    review_of(product).save()
    with seen(monkeypatch, Review) as found:
        product.delete()
    assert found == ["post_delete"]


def test_the_admins_delete_selected_does_not_call_delete(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    review_of(product).save()
    with seen(monkeypatch, Review) as found:
        options = admin.ModelAdmin(Review, admin.site)
        options.delete_queryset(RequestFactory().post("/"), Review.objects.all())
    assert found == ["post_delete"]


def test_the_admin_saves_by_save_model_which_calls_save(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    with seen(monkeypatch, Review) as found:
        options = admin.ModelAdmin(Review, admin.site)
        options.save_model(RequestFactory().post("/"), review_of(product), None, change=False)
    assert found == ["save()", "post_save"]


def test_loaddata_does_not_call_save_and_sends_raw_signals(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = serializers.serialize("json", [Review(pk=7, product=product, stars=5, text="good")])
    with seen(monkeypatch, Review) as found:
        for each in serializers.deserialize("json", text):
            each.save()
    assert found == ["post_save, raw"]


def test_the_models_of_a_migration_have_no_methods_of_yours_and_are_other_classes() -> None:
    state = ProjectState()
    state.add_model(ModelState.from_model(Product))
    historical = state.apps.get_model("shop", "Product")
    assert hasattr(Product, "rating")
    assert not hasattr(historical, "rating")
    assert historical is not Product


@pytest.mark.django_db(transaction=True)
def test_outside_of_a_transaction_an_on_commit_callback_runs_at_once() -> None:
    ran: list[str] = []
    transaction.on_commit(lambda: ran.append("callback"))
    assert ran == ["callback"]


@pytest.mark.django_db(transaction=True)
def test_a_callback_of_what_is_rolled_back_never_runs() -> None:
    ran: list[str] = []

    def buy() -> None:
        with transaction.atomic():
            transaction.on_commit(lambda: ran.append("callback"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        buy()
    assert ran == []


def fail() -> None:
    raise ConnectionError("no mail today")


@pytest.mark.django_db(transaction=True)
def test_a_failing_callback_raises_after_the_commit_and_loses_those_after_it() -> None:
    ran: list[str] = []

    def buy() -> None:
        with transaction.atomic():
            User.objects.create(username="ada")
            transaction.on_commit(fail)
            transaction.on_commit(lambda: ran.append("the next"))

    with pytest.raises(ConnectionError):
        buy()
    assert User.objects.count() == 1
    assert ran == []


@pytest.mark.django_db(transaction=True)
def test_a_failing_robust_callback_is_logged_and_the_next_one_runs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ran: list[str] = []
    with transaction.atomic():
        transaction.on_commit(fail, robust=True)
        transaction.on_commit(lambda: ran.append("the next"))
    assert ran == ["the next"]
    assert [(each.name, each.levelno) for each in caplog.records] == [
        ("django.db.backends.base", logging.ERROR)
    ]


class InATestCase(TestCase):
    def test_a_callback_runs_only_if_callbacks_are_captured_and_executed(self) -> None:
        ran: list[str] = []
        transaction.on_commit(lambda: ran.append("lost"))
        with self.captureOnCommitCallbacks(execute=True):
            transaction.on_commit(lambda: ran.append("run"))
        assert ran == ["run"]


def test_django_brings_one_backend_that_runs_a_task_at_once_and_one_that_never_does() -> None:
    pytest.importorskip("django.tasks")
    from pkgutil import iter_modules

    from django.tasks import backends

    names = {each.name for each in iter_modules(backends.__path__)}
    assert names == {"base", "dummy", "immediate"}


def test_celery_has_a_call_that_waits_for_the_commit() -> None:
    pytest.importorskip("celery")
    from celery.contrib.django.task import DjangoTask

    assert callable(DjangoTask.delay_on_commit)


def test_a_trigger_changes_rows_without_a_query_of_django() -> None:
    figures = figures_of_the_page()
    assert figures["trigger"]["queries"] == figures["only_the_order"]["queries"] == 1


def test_the_table_says_what_was_counted() -> None:
    """Queries as the example runs them, instructions as they are checked in."""
    rows = {
        "receiver": "receiver",
        "save()": "save",
        "manager": "manager",
        "service function": "service",
        "on_commit()": "on_commit",
        "task": "task",
        "outbox": "outbox",
        "trigger": "trigger",
    }
    written = {}
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        named = re.match(r"\[`?([^`\]]+)`?\]\(#", cells[0])
        if named and len(cells) == 6 and named[1] in rows:
            written[rows[named[1]]] = (int(cells[4]), float(cells[5]))
    ratios = json.loads((ROOT / "benchmarks" / "alternatives.json").read_text())["ratios"]
    figures = figures_of_the_page()
    assert written == {name: (figures[name]["queries"], ratios[name]) for name in rows.values()}


def test_the_code_with_tasks_of_django_runs_where_django_has_them() -> None:
    pytest.importorskip("django.tasks")
    code = (
        "import run; run.prepare('when-not-to')\n"
        "from django.core import mail\n"
        "from shop.models import Product\n"
        "from shop.tasks_of_django import place_order\n"
        "place_order(Product.objects.create(name='Teapot', stock=10), 2, 'ada@example.com')\n"
        "print(len(mail.outbox), Product.objects.get().stock)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT / "docs" / "examples",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("1 8\n", "")


_figures: dict[str, dict[str, int]] = {}


def figures_of_the_page() -> dict[str, dict[str, int]]:
    if not _figures:
        done = subprocess.run(
            [sys.executable, "docs/examples/run.py", "when-not-to", "--json"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        _figures.update({name: it["figures"] for name, it in json.loads(done.stdout).items()})
    return _figures
