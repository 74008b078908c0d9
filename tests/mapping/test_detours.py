"""Ways past a receiver that the models alone tell, and senders that are none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import django
import pytest
from django.conf import settings
from django.db import models
from django.db.models.signals import post_delete, post_migrate, post_save, pre_delete, pre_migrate
from django.dispatch import Signal, receiver
from django.test.utils import isolate_apps

from shop.models import Order
from signal_tracer.findings import Finding, over_signal_map
from signal_tracer.mapping import read_map
from signal_tracer.mapping.projects import Project
from signal_tracer.mapping.written import Source

done = Signal()


class Sent:
    """A class that sends."""


@receiver(done, sender="shop.Order")
def by_label(**kwargs: Any) -> None:
    """It says what it does."""


@receiver(done, sender=Sent)
def by_class(**kwargs: Any) -> None:
    """It says what it does."""


# Heard in these tests alone.
WRITTEN, done.receivers = done.receivers, []


def listen(**kwargs: Any) -> None:
    """It says what it does."""


def looks_at_sender(sender: Any, **kwargs: Any) -> None:
    """It says what it does."""
    print(sender.label)


def grants(**kwargs: Any) -> None:
    from django.contrib.auth.models import Group, Permission

    Group.objects.get(name="staff").permissions.set(Permission.objects.all())


def counts(**kwargs: Any) -> None:
    """Has no permission to do more."""
    from django.contrib.auth.models import Group

    Group.objects.count()


def looks_at_app(app_config: Any, **kwargs: Any) -> None:
    """It says what it does."""
    if app_config.label == "shop":
        print("shop")


SIGNALS = (post_delete, pre_delete, post_save, post_migrate, pre_migrate)


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = [(each, list(each.receivers)) for each in SIGNALS]
    done.receivers = list(WRITTEN)
    yield
    done.receivers = []
    for signal, receivers in before:
        signal.receivers = receivers
        signal.sender_receivers_cache.clear()


def findings(*wanted: str) -> list[Finding]:
    return [
        each
        for each in over_signal_map(read_map()).shown
        if each.slug in wanted and any(__name__ in name for name in each.names)
    ]


def messages(*wanted: str) -> list[str]:
    return [f"{each.level} {each.slug}: {each.message}" for each in findings(*wanted)]


# Foreign keys


@pytest.mark.skipif(django.VERSION < (6, 1), reason="Django 6.1 has DB_CASCADE")
@isolate_apps("shop")
def test_a_receiver_of_deletions_of_rows_that_the_database_cascades_to_is_told() -> None:
    class Author(models.Model):
        class Meta:
            app_label = "shop"

    class Book(models.Model):
        author = models.ForeignKey(Author, models.DB_CASCADE)

        class Meta:
            app_label = "shop"

    post_delete.connect(listen, sender=Book)
    post_save.connect(listen, sender=Book)
    pre_delete.connect(listen, sender=Author)

    assert messages("database-cascade") == [
        (
            "warning database-cascade: test_detours.listen does not run for the rows of shop.Book "
            "that the database deletes: they cascade with shop.Author, by author (DB_CASCADE), and "
            "no post_delete is sent."
        )
    ]


@isolate_apps("shop")
def test_what_a_deletion_sets_and_what_it_leaves_to_the_database_is_good_to_know() -> None:
    class Author(models.Model):
        class Meta:
            app_label = "shop"

    class Book(models.Model):
        author = models.ForeignKey(Author, models.SET_NULL, null=True)
        editor = models.ForeignKey(Author, models.SET(None), null=True, related_name="+")
        owner = models.ForeignKey(Author, models.DO_NOTHING, related_name="+")

        class Meta:
            app_label = "shop"

    post_save.connect(listen, sender=Book)
    post_delete.connect(listen, sender=Book)

    assert messages("changed-by-deletion", "left-to-database", "database-cascade") == [
        (
            "info left-to-database: If the database cascades from shop.Author to shop.Book, "
            "test_detours.listen does not run for those rows: Django does nothing, by owner "
            "(DO_NOTHING), and sends no post_delete."
        ),
        (
            "info changed-by-deletion: test_detours.listen hears post_save of shop.Book, and not "
            "of its rows that a deletion of shop.Author changes: author (SET_NULL) and editor "
            "(SET)."
        ),
    ]


@isolate_apps("shop")
def test_a_cascade_of_djangos_sends_all_that_is_waited_for() -> None:
    class Author(models.Model):
        class Meta:
            app_label = "shop"

    class Book(models.Model):
        author = models.ForeignKey(Author, models.CASCADE)
        editor = models.ForeignKey(Author, models.PROTECT, related_name="+")

        class Meta:
            app_label = "shop"

    post_save.connect(listen, sender=Book)
    post_delete.connect(listen, sender=Book)

    assert messages("changed-by-deletion", "left-to-database", "database-cascade") == []


# A delete() of one's own


class Softly(models.Model):
    is_gone = models.BooleanField(default=False)

    class Meta:
        app_label = "shop"
        abstract = True

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        self.is_gone = True
        self.deleted_at = "%Y"
        self.save(update_fields=["is_gone"])


def hard(self: Any, *args: Any, **kwargs: Any) -> Any:
    self.save()
    return super(Softly, self).delete(*args, **kwargs)


def maybe(self: Any, *args: Any, is_hard: bool = False, **kwargs: Any) -> Any:
    if is_hard:
        return models.Model.delete(self)
    return self.save()


def elsewhere(self: Any, *args: Any, **kwargs: Any) -> Any:
    self.save()
    self.hard_delete()


def unrelated(self: Any, *args: Any, **kwargs: Any) -> Any:
    raise TypeError("not here")


@isolate_apps("shop")
def test_a_delete_that_saves_and_never_deletes_is_told_with_its_line() -> None:
    class Order(Softly):
        class Meta:
            app_label = "shop"

    post_delete.connect(listen, sender=Order)
    post_save.connect(listen, sender=Order)
    [finding] = findings("soft-delete")

    assert f"{finding.level}: {finding.message}" == (
        "warning: shop.Order.delete() is overridden without super(), and deletes nothing: "
        "test_detours.listen does not run for it, as post_delete is sent by Django's own delete() "
        "alone."
    )
    assert finding.location is not None
    assert finding.location.function == "Softly.delete"


@pytest.mark.parametrize("delete", [hard, maybe, elsewhere, unrelated, None])
@isolate_apps("shop")
def test_a_delete_that_may_delete_is_none(delete: Callable[..., Any] | None) -> None:
    namespace: dict[str, Any] = {
        "__module__": __name__,
        "Meta": type("Meta", (), {"app_label": "shop"}),
    }
    if delete is not None:
        namespace["delete"] = delete
    order = type("Order", (models.Model,), namespace)
    post_delete.connect(listen, sender=order)

    assert findings("soft-delete") == []


# Receivers of every model, and of every app


def test_a_receiver_of_every_deletion_is_told_what_that_ends() -> None:
    post_delete.connect(listen)
    post_save.connect(listen)
    found = {each.values["signal"]: each.kind.why for each in findings("catch-all-receiver")}

    assert "deletes nothing the fast way" in found["django.db.models.signals.post_delete"]
    assert "fast way" not in found["django.db.models.signals.post_save"]


def test_a_receiver_of_migrate_that_never_looks_at_the_app_runs_once_for_each() -> None:
    post_migrate.connect(listen)
    pre_migrate.connect(listen, dispatch_uid="once more")

    assert messages("every-app-receiver") == [
        (
            "info every-app-receiver: test_detours.listen is connected to post_migrate for any "
            "sender, and runs once for every app: it never looks at which."
        ),
        (
            "info every-app-receiver: test_detours.listen is connected to pre_migrate for any "
            "sender, and runs once for every app: it never looks at which."
        ),
    ]


@pytest.mark.parametrize("function", [looks_at_sender, looks_at_app])
def test_one_that_looks_at_the_app_or_waits_for_one_is_none(function: Any) -> None:
    post_migrate.connect(function)
    post_migrate.connect(listen, sender=django.apps.apps.get_app_config("shop"))

    assert findings("every-app-receiver") == []


def test_one_that_works_with_what_every_app_brings_is_not_sent_to_its_own_alone() -> None:
    post_migrate.connect(grants)
    assert findings("every-app-receiver") == []

    post_migrate.connect(counts)
    [finding] = findings("every-app-receiver")
    assert "before those that stand below it in INSTALLED_APPS" in finding.advice


# Strings


def test_a_string_for_a_signal_that_looks_none_up_can_never_be_called() -> None:
    assert messages("never-called") == [
        (
            "error never-called: test_detours.by_label is connected to test_detours.done for "
            "'shop.Order', which never sends it: it is a string, and only the signals of Django's "
            "models look a model up by its label."
        )
    ]
    [connection] = [
        each for _, each in read_map().walk() if each.receiver == f"{__name__}.by_label"
    ]
    assert (connection.sender, connection.sender_kind) == ("'shop.Order'", "string")


def by_user(**kwargs: Any) -> None:
    """It says what it does."""


def by_language(**kwargs: Any) -> None:
    """It says what it does."""


def test_a_setting_that_names_a_model_is_a_string_as_well() -> None:
    done.connect(by_user, sender=settings.AUTH_USER_MODEL)
    done.connect(by_language, sender=settings.LANGUAGE_CODE)

    assert [each.names[0] for each in findings("never-called")] == [
        f"{__name__}.by_label",
        f"{__name__}.by_user",
    ]
    assert "'auth.User', which never sends it: it is a string" in messages("never-called")[1]


def test_a_string_that_the_project_sends_is_a_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "done.send(\n    sender=settings.AUTH_USER_MODEL, user=None)\n"
    monkeypatch.setattr(Project, "sources", [Source("work.py", "work", text)])
    assert findings("never-called") == []

    monkeypatch.setattr(Project, "sources", [Source("work.py", "work", "undone.send('x')\n")])
    assert [each.names[0] for each in findings("never-called")] == [f"{__name__}.by_label"]


# Lists

SENDERS = [Sent, Order]


def by_list(**kwargs: Any) -> None:
    """It says what it does."""


def by_tuple(**kwargs: Any) -> None:
    """It says what it does."""


def by_each(**kwargs: Any) -> None:
    """It says what it does."""


def test_a_list_of_senders_is_one_sender_that_nothing_is() -> None:
    post_save.connect(by_list, sender=SENDERS)
    post_save.connect(by_tuple, (Sent, Order))
    for each in SENDERS:
        post_save.connect(by_each, sender=each)

    assert [(each.names[0], each.names[2]) for each in findings("never-called")] == [
        (f"{__name__}.by_list", "[Sent, Order]"),
        (f"{__name__}.by_tuple", "(Sent, Order)"),
        (f"{__name__}.by_label", "'shop.Order'"),
    ]
    assert messages("never-called")[0].endswith(
        "[Sent, Order], which never sends it: it is a list of senders, and Django takes it for one "
        "sender."
    )


def test_a_sender_that_nothing_is_any_more_is_lost() -> None:
    signal = Signal()
    signal.connect(listen, sender=10**30)

    assert messages("lost-sender") == [
        (
            f"warning lost-sender: test_detours.listen is connected to "
            f"{findings('lost-sender')[0].values['signal']} for a sender that is not among what is "
            "alive: it is gone, or a text or a number."
        )
    ]
    signal.receivers = []


CHECKOUT = "the checkout"


def test_a_text_that_a_module_holds_is_a_sender_like_any_other() -> None:
    signal = Signal()
    signal.connect(listen, sender=CHECKOUT)

    assert messages("lost-sender", "never-called") == [
        each for each in messages("never-called") if "by_label" in each
    ]
    signal.receivers = []


def test_a_class_is_neither() -> None:
    assert not any(
        f"{__name__}.by_class" in each.names for each in findings("never-called", "lost-sender")
    )
