"""Senders that are nearly the one a receiver is connected to, and who else listens."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django
import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.db.migrations.state import ModelState, ProjectState
from django.db.models.signals import post_migrate, post_save
from django.dispatch import Signal, receiver
from library import Author, Book, OldBook, Tag

from signal_tracer import Trace, trace_signals

pytestmark = pytest.mark.usefixtures("books")

ON_6 = pytest.mark.skipif(
    django.VERSION < (6, 0), reason="Django 5.2 keeps nothing of such a sender but its id"
)

stored = Signal()


def listen(sender: Any, **named: Any) -> None: ...


def other(sender: Any, **named: Any) -> None: ...


@receiver(stored, sender="library.Author")
def by_label(sender: Any, **named: Any) -> None: ...


@receiver(stored, sender="checkout")
def by_word(sender: Any, **named: Any) -> None: ...


# They are connected by hand, where a test wants them.
stored.receivers = []


@pytest.fixture(autouse=True)
def nobody_is_left() -> Iterator[None]:
    before = [(each, list(each.receivers)) for each in (post_save, post_migrate)]
    yield
    for signal, receivers in before:
        signal.receivers = receivers
        signal.sender_receivers_cache.clear()
    stored.receivers = []


def missed(trace: Trace) -> list[tuple[str, str, str | None]]:
    """Each receiver that was not called for a dispatch, heard or not, with the reason."""
    assert trace.faults == 0
    found = [miss for each in trace.walk() for miss in each.near_misses]
    found += [miss for each in trace.unheard for miss in each.near_misses]
    return [
        (each.receiver.rpartition(".")[2], each.reason, each.connected_to)
        for each in found
        if each.receiver.startswith(f"{__name__}.")
    ]


def told(trace: Trace) -> list[str]:
    return [f"{each.level} {each.slug}: {each.message}" for each in trace.findings()]


# Migrations


def stand_in(model: Any) -> Any:
    state = ProjectState()
    state.add_model(ModelState.from_model(model))
    return state.apps.get_model("library", model.__name__)


def test_a_class_of_a_migration_is_named_so_and_is_not_the_model() -> None:
    post_save.connect(listen, sender=Tag)
    with trace_signals() as trace:
        stand_in(Tag).objects.create(name="t")

    assert missed(trace) == [("listen", "connected_to_real_model", "library.Tag")]
    assert "library.Tag of a migration" in {each.sender for each in trace.unheard}
    assert told(trace) == [
        (
            "warning near-miss: test_nearly_this_sender.listen did not run for "
            "django.db.models.signals.post_save from library.Tag of a migration: it is connected "
            "to the model library.Tag, and a migration works with classes of its own."
        )
    ]


def test_the_instance_of_a_migration_is_named_so_where_somebody_hears_it() -> None:
    post_save.connect(listen, sender=Tag)
    post_save.connect(other)
    with trace_signals() as trace:
        stand_in(Tag).objects.create(name="t")

    [dispatch] = trace.find(signal="post_save")
    assert dispatch.sender == "library.Tag of a migration"
    assert missed(trace) == [("listen", "connected_to_real_model", "library.Tag")]


def test_a_receiver_of_a_migrations_class_is_not_one_of_the_model() -> None:
    post_save.connect(listen, sender=(kept := stand_in(Tag)))
    with trace_signals() as trace:
        Tag.objects.create(name="t")

    assert kept is not Tag
    assert missed(trace) == [("listen", "connected_to_stand_in", "library.Tag of a migration")]


def test_the_model_itself_and_another_model_of_a_migration_are_no_near_miss() -> None:
    post_save.connect(listen, sender=Tag)
    with trace_signals() as trace:
        Tag.objects.create(name="t")
        stand_in(Author).objects.create(name="a")

    assert missed(trace) == []


# Classes that are there twice


@pytest.fixture
def twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Any]]:
    """One module, imported by two names."""
    package = tmp_path / "basket_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "baskets.py").write_text("class Basket:\n    pass\n\nclass Other:\n    pass\n")
    monkeypatch.syspath_prepend(str(package))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("basket_package.baskets"), importlib.import_module("baskets")
    for name in ("basket_package.baskets", "basket_package", "baskets"):
        sys.modules.pop(name, None)


def test_a_class_that_was_imported_by_two_names_is_two_senders(twice: tuple[Any, Any]) -> None:
    one, same = twice
    stored.connect(listen, sender=one.Basket)
    with trace_signals() as trace:
        stored.send(same.Basket)

    assert missed(trace) == [("listen", "connected_to_namesake", "basket_package.baskets.Basket")]
    [finding] = trace.findings()
    assert f"{finding.level} {finding.slug}" == "warning near-miss"
    assert "another class of the same name from the same file" in finding.message


def test_another_class_of_that_file_or_name_is_no_namesake(twice: tuple[Any, Any]) -> None:
    one, same = twice
    stored.connect(listen, sender=one.Basket)
    stored.connect(other, sender=type("Basket", (), {}))
    with trace_signals() as trace:
        stored.send(same.Other)

    assert "connected_to_namesake" not in {reason for _, reason, _ in missed(trace)}


# Proxies of one model


def test_another_proxy_of_the_same_model_is_a_near_miss() -> None:
    class NewBook(Book):
        class Meta:
            app_label = "library"
            proxy = True

    post_save.connect(listen, sender=NewBook)
    with trace_signals() as trace:
        OldBook.objects.create(title="a")

    assert missed(trace) == [("listen", "connected_to_other_proxy", "library.NewBook")]


# Objects


@ON_6
def test_another_object_of_the_same_row_is_a_near_miss_and_one_of_another_row_is_none() -> None:
    author, stranger = Author.objects.create(name="a"), Author.objects.create(name="b")
    again = Author.objects.get(pk=author.pk)
    stored.connect(listen, sender=author)
    stored.connect(other, sender=stranger)
    with trace_signals() as trace:
        stored.send(again)

    name = f"library.Author(pk={author.pk})"
    assert missed(trace) == [("listen", "connected_to_other_object", name)]
    assert [each.slug for each in trace.findings()] == ["near-miss"]


@ON_6
def test_an_appconfig_that_was_made_by_hand_is_not_the_one_that_migrate_sends() -> None:
    config = apps.get_app_config("auth")
    made = type(config)("django.contrib.auth", config.module)
    post_migrate.connect(listen, sender=made)
    with trace_signals() as trace:
        post_migrate.send(config, app_config=config, using="default")

    [(name, reason, _)] = missed(trace)
    assert (name, reason) == ("listen", "connected_to_other_object")


def test_appconfigs_of_different_apps_are_no_near_misses() -> None:
    post_migrate.connect(listen, sender=apps.get_app_config("contenttypes"))
    with trace_signals() as trace:
        config = apps.get_app_config("auth")
        post_migrate.send(config, app_config=config, using="default")

    assert missed(trace) == []


# Strings


def write_receiver(function: Any, sender: str) -> None:
    stored.connect(function, sender=sender)


def test_a_string_that_names_the_class_is_another_sender() -> None:
    write_receiver(by_label, "library.Author")
    with trace_signals() as trace:
        stored.send(Author)

    assert missed(trace) == [("by_label", "connected_to_text", "'library.Author'")]
    assert told(trace) == [
        (
            "warning near-miss: test_nearly_this_sender.by_label did not run for "
            "test_nearly_this_sender.stored from library.Author: it is connected to the string "
            "'library.Author'."
        )
    ]


def by_user(sender: Any, **named: Any) -> None: ...


@pytest.mark.parametrize("model", ["auth.User", "library.Author"])
def test_a_setting_that_names_the_class_is_such_a_string(model: str, settings: Any) -> None:
    settings.AUTH_USER_MODEL = model
    stored.connect(by_user, sender=settings.AUTH_USER_MODEL)
    with trace_signals() as trace:
        stored.send(get_user_model() if model == "auth.User" else Tag)

    assert missed(trace) == (
        [("by_user", "connected_to_text", "'auth.User'")]
        if model == "auth.User"
        else [("by_user", "connected_to_other", "'library.Author'")]
    )


def test_a_string_that_names_another_class_only_listens_to_that() -> None:
    write_receiver(by_label, "library.Author")
    write_receiver(by_word, "checkout")
    with trace_signals() as trace:
        stored.send(Tag)

    assert {reason for _, reason, _ in missed(trace)} == {"connected_to_other"}
    assert {slug.split(":")[0] for slug in told(trace)} == {"info unheard-sender"}


def test_to_read_the_source_shows_no_warning_and_none_for_a_second_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "escaping_receivers.py"
    source.write_text(
        "from django.dispatch import receiver\n"
        f"from {__name__} import stored\n"
        "@receiver(stored, sender='library.Author')\n"
        "def escaping(sender, **named):\n"
        r"    return '\d', f'\N{EM DASH}', '\\', '\''" + "\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        escaping = importlib.import_module("escaping_receivers").escaping
    monkeypatch.delitem(sys.modules, "escaping_receivers")
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("default")
        with trace_signals() as trace:
            for each in (Tag, Book):
                warnings.warn("to be shown once", stacklevel=1)
                stored.send(Author)
                stored.connect(listen, sender=each)  # Who is nearly meant is found out first.

    assert [str(each.message) for each in shown] == ["to be shown once"]
    named = [each for each in trace.unheard[0].near_misses if each.receiver.endswith("escaping")]
    assert [each.connected_to for each in named] == ["'library.Author'"]
    assert escaping(None) == (r"\d", "\N{EM DASH}", "\\", "'")


def test_a_signal_of_models_looks_the_string_up() -> None:
    post_save.connect(listen, sender="auth.User")
    with trace_signals() as trace:
        Author.objects.create(name="a")

    assert missed(trace) == []


# Who else listens


def test_of_a_signal_that_nobody_heard_it_is_said_who_listens_to_which_sender() -> None:
    stored.connect(listen, sender=Author)
    with trace_signals() as trace:
        stored.send(Tag)

    assert missed(trace) == [("listen", "connected_to_other", "library.Author")]
    assert told(trace) == [
        (
            "info unheard-sender: Nobody heard test_nearly_this_sender.stored from library.Tag: "
            "test_nearly_this_sender.listen is connected to library.Author."
        )
    ]


def test_no_finding_tells_of_one_that_hears_its_own_sender() -> None:
    stored.connect(listen, sender=Author)
    with trace_signals() as trace:
        stored.send(Tag)
        stored.send(Author)

    assert told(trace) == []


def test_of_a_model_that_nobody_listens_to_the_listeners_of_others_are_not_told() -> None:
    post_save.connect(listen, sender=Author)
    with trace_signals() as trace:
        Tag.objects.create(name="t")

    assert missed(trace) == []
