"""What the page "Pitfalls" says of Django."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import django
import pytest
from django.apps.registry import Apps
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection, models
from django.db.migrations.loader import MigrationLoader
from django.db.models import signals
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_save
from django.dispatch import Signal
from django.test.utils import isolate_apps

from shop.models import Product, Second

MEMBERS = User.groups.through


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


@pytest.mark.django_db
def test_bulk_operations_send_nothing() -> None:
    with heard(pre_save, Group) as before, heard(post_save, Group) as after:
        groups = Group.objects.bulk_create([Group(name="a"), Group(name="b")])
        Group.objects.bulk_create(
            groups, update_conflicts=True, unique_fields=["id"], update_fields=["name"]
        )
        Group.objects.bulk_update(groups, ["name"])
        Group.objects.update(name=models.F("name"))
    with heard(post_delete, Group) as deleted:
        Group.objects.all()._raw_delete("default")

    assert (before, after, deleted) == ([], [], [])


@pytest.mark.django_db
def test_methods_that_save_one_row_send_post_save() -> None:
    with heard(post_save, Group) as found:
        Group.objects.create(name="a")
        Group.objects.get_or_create(name="b")
        Group.objects.get_or_create(name="b")
        Group.objects.update_or_create(name="b", defaults={"name": "c"})

    assert [each["created"] for each in found] == [True, True, False]


@pytest.mark.django_db
def test_saving_some_fields_sends_signals_that_name_them() -> None:
    group = Group.objects.create(name="a")

    with heard(post_save, Group) as found:
        group.save(update_fields=["name"])
        group.save()

    assert [each["update_fields"] for each in found] == [frozenset({"name"}), None]


@pytest.mark.django_db
def test_loaddata_sends_raw_for_a_row_whose_foreign_key_is_not_there_yet(tmp_path: Path) -> None:
    fixture = tmp_path / "rows.json"
    fixture.write_text(
        json.dumps(
            [
                {
                    "model": "auth.permission",
                    "pk": 900,
                    "fields": {"name": "a", "codename": "a", "content_type": 901},
                },
                {
                    "model": "contenttypes.contenttype",
                    "pk": 901,
                    "fields": {"app_label": "a", "model": "a"},
                },
            ]
        )
    )
    there: list[bool] = []

    def look(instance: Permission, raw: bool, **named: Any) -> None:
        there.append(raw and ContentType.objects.filter(pk=instance.content_type_id).exists())

    post_save.connect(look, sender=Permission)
    try:
        call_command("loaddata", fixture, verbosity=0)
    finally:
        post_save.disconnect(look, sender=Permission)

    assert there == [False]


@pytest.mark.django_db
def test_m2m_changed_has_raw_since_django_6_1(tmp_path: Path) -> None:
    Group.objects.create(pk=1, name="a")
    fixture = tmp_path / "users.json"
    fields = {"username": "ada", "groups": [1]}
    fixture.write_text(json.dumps([{"model": "auth.user", "pk": 1, "fields": fields}]))

    with heard(m2m_changed, MEMBERS) as found:
        call_command("loaddata", fixture, verbosity=0)

    raw = [each.get("raw") for each in found]
    assert raw == ([True, True] if django.VERSION >= (6, 1) else [None, None])


@pytest.mark.django_db
def test_a_proxy_sends_itself() -> None:
    with heard(post_save, Product) as model, heard(post_save, Second) as proxy:
        Second.objects.create(name="Egg cup", description="For an egg", price=9)

    assert (len(model), len(proxy)) == (0, 1)


@isolate_apps("shop")
@pytest.mark.django_db(transaction=True)
def test_a_child_with_a_table_of_its_own_alone_is_saved_and_both_are_deleted() -> None:
    class Parent(models.Model):
        class Meta:
            app_label = "shop"

    class Child(Parent):
        class Meta:
            app_label = "shop"

    with connection.schema_editor() as editor:
        editor.create_model(Parent)
        editor.create_model(Child)
    try:
        with heard(post_save, Parent) as parents, heard(post_save, Child) as children:
            child = Child.objects.create()
        assert (len(parents), len(children)) == (0, 1)

        with heard(post_delete, Parent) as parents, heard(post_delete, Child) as children:
            child.delete()
        assert (len(parents), len(children)) == (1, 1)
    finally:
        with connection.schema_editor() as editor:
            editor.delete_model(Child)
            editor.delete_model(Parent)


@pytest.mark.django_db
def test_a_deferred_instance_sends_as_its_model() -> None:
    product()

    with heard(post_save, Product) as found:
        Product.objects.only("name").get().save()

    assert len(found) == 1


@pytest.mark.django_db
def test_a_relation_changed_from_its_other_side_sends_the_other_model() -> None:
    group, user = Group.objects.create(name="a"), User.objects.create(username="ada")

    with heard(m2m_changed, MEMBERS) as found:
        group.user_set.add(user)

    assert [(each["action"], each["instance"], each["reverse"]) for each in found] == [
        ("pre_add", group, True),
        ("post_add", group, True),
    ]


@pytest.mark.django_db
def test_clearing_a_relation_sends_no_keys() -> None:
    user = User.objects.create(username="ada")

    with heard(m2m_changed, MEMBERS) as found:
        user.groups.clear()

    assert [(each["action"], each["pk_set"]) for each in found] == [
        ("pre_clear", None),
        ("post_clear", None),
    ]


@pytest.mark.django_db
def test_adding_what_is_there_sends_an_empty_set() -> None:
    group, user = Group.objects.create(name="a"), User.objects.create(username="ada")
    user.groups.add(group)

    with heard(m2m_changed, MEMBERS) as found:
        user.groups.add(group)

    assert [each["pk_set"] for each in found] == [set(), set()]


@pytest.mark.django_db
def test_a_row_in_between_that_is_saved_or_goes_with_its_object_sends_no_m2m_changed() -> None:
    group, user = Group.objects.create(name="a"), User.objects.create(username="ada")

    with heard(m2m_changed, MEMBERS) as changed:
        MEMBERS.objects.create(user=user, group=group)
        user.delete()

    assert changed == []
    assert not MEMBERS.objects.exists()


@pytest.mark.django_db
def test_every_signal_of_rows_sends_using() -> None:
    group, user = Group.objects.create(name="a"), User.objects.create(username="ada")
    names = ("pre_save", "post_save", "pre_delete", "post_delete", "m2m_changed")
    aliases: list[str] = []

    def note(using: str, **named: Any) -> None:
        aliases.append(using)

    for name in names:
        getattr(signals, name).connect(note)
    try:
        group.save()
        user.groups.add(group)
        group.delete()
    finally:
        for name in names:
            getattr(signals, name).disconnect(note)

    assert len(aliases) >= 6
    assert set(aliases) == {"default"}


@pytest.mark.django_db
def test_a_migration_saves_with_classes_of_its_own_which_a_receiver_of_any_sender_hears() -> None:
    apps = MigrationLoader(connection).project_state().apps
    historical = apps.get_model("auth", "Group")

    with heard(post_save, Group) as model, heard(post_save) as anything:
        historical.objects.create(name="a")

    assert model == []
    assert [each["sender"] for each in anything] == [historical]
    assert historical is not Group


@pytest.mark.parametrize("debug", [True, False])
def test_a_lambda_lives_on_in_a_cache_only_where_debug_is_true(settings: Any, debug: bool) -> None:
    settings.DEBUG = debug
    signal = Signal()
    signal.connect(lambda **named: "here")
    gc.collect()

    assert bool(signal.send(None)) is debug


@pytest.mark.django_db
def test_a_model_signal_takes_a_string_that_no_model_goes_by_and_waits() -> None:
    found: list[str] = []

    def note(sender: Any, **named: Any) -> None:
        found.append(sender.__name__)

    before = len(post_save.receivers)
    # In a registry of its own, because what waits in Django's cannot be taken out again.
    post_save.connect(note, sender="auth.Gruppe", apps=Apps())
    assert len(post_save.receivers) == before

    post_save.connect(note, sender="auth.Group")
    try:
        Group.objects.create(name="a")
    finally:
        assert post_save.disconnect(note, sender=Group)
    assert found == ["Group"]


def test_a_signal_of_ones_own_compares_a_string_as_it_is() -> None:
    def note(**named: Any) -> str:
        return "heard"

    signal = Signal()
    signal.connect(note, sender="shop.Product")

    assert signal.send(Product) == []
    assert signal.send("shop.Product") == [(note, "heard")]
