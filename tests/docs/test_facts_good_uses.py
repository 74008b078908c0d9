"""What the page "Four good uses" says of Django."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_login_failed
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage
from django.core.management import call_command
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import Signal

from accounts.models import Profile
from shop.models import Product, Review, Second
from warehouse.models import StockItem

pytestmark = pytest.mark.django_db


@contextmanager
def heard(signal: Signal, sender: object = None) -> Iterator[list[dict[str, Any]]]:
    """The arguments of each time that a signal is sent."""
    found: list[dict[str, Any]] = []

    def note(**named: Any) -> None:
        found.append(named)

    signal.connect(note, sender=sender)
    try:
        yield found
    finally:
        assert signal.disconnect(note, sender=sender)


def product(name: str = "Egg cup") -> Product:
    return Product.objects.create(name=name, description="For an egg", price=9)


def test_loading_a_fixture_sends_post_save_with_raw(tmp_path: Path) -> None:
    fixture = tmp_path / "users.json"
    fixture.write_text(json.dumps([{"model": "auth.user", "pk": 1, "fields": {"username": "a"}}]))

    with heard(post_save, User) as found:
        call_command("loaddata", fixture, verbosity=0)

    assert [(each["raw"], each["created"]) for each in found] == [(True, True)]


def test_loading_a_fixture_does_not_call_save(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fixture = tmp_path / "users.json"
    fixture.write_text(json.dumps([{"model": "auth.user", "pk": 1, "fields": {"username": "a"}}]))
    monkeypatch.setattr(User, "save", None)

    call_command("loaddata", fixture, verbosity=0)

    assert User.objects.get().username == "a"


def test_bulk_create_sends_no_post_save_and_leaves_related_rows_out() -> None:
    with heard(post_save) as found:
        User.objects.bulk_create([User(username="ada"), User(username="grace")])

    assert found == []
    assert Profile.objects.count() == 0


def test_update_sends_nothing() -> None:
    product()

    with heard(post_save) as found:
        Product.objects.update(name="Seconds")

    assert found == []


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_failed_login_is_told_without_its_password() -> None:
    with heard(user_login_failed) as found:
        authenticate(None, username="ada", password="1234")

    assert [each["credentials"] for each in found] == [
        {"username": "ada", "password": "********************"}
    ]


@pytest.mark.django_db(transaction=True)
def test_on_commit_runs_at_once_without_a_transaction() -> None:
    ran: list[str] = []

    transaction.on_commit(lambda: ran.append("now"))

    assert ran == ["now"]


@pytest.mark.django_db(transaction=True)
def test_on_commit_runs_after_the_block_and_not_after_a_rollback() -> None:
    ran: list[str] = []

    with transaction.atomic():
        transaction.on_commit(lambda: ran.append("kept"))
        assert ran == []
    with transaction.atomic():
        transaction.on_commit(lambda: ran.append("undone"))
        transaction.set_rollback(True)

    assert ran == ["kept"]


def test_a_deleted_row_leaves_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = InMemoryStorage()
    monkeypatch.setattr(Product._meta.get_field("picture"), "storage", storage)
    cup = product()
    cup.picture.save("cup.png", ContentFile(b"png"))

    # As a proxy, for which the shop's own receiver does not wait.
    Second.objects.get().delete()

    assert not Product.objects.exists()
    assert storage.exists(cup.picture.name)


def test_a_queryset_sends_post_delete_for_each_row() -> None:
    names = {product("Egg cup").pk, product("Egg plate").pk}

    with heard(post_delete, Product) as found:
        Product.objects.all().delete()

    assert len(found) == len(names)


def test_a_cascade_sends_post_delete_for_each_row_and_calls_no_delete(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cup = product()
    Review.objects.bulk_create(
        [Review(product=cup, stars=5, text=""), Review(product=cup, stars=4)]
    )
    StockItem.objects.create(product=cup, quantity=3)
    monkeypatch.setattr(Review, "delete", None)

    with heard(post_delete, Review) as reviews, heard(post_delete, StockItem) as items:
        cup.delete()

    assert (len(reviews), len(items)) == (2, 1)
