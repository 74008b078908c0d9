"""Rows that change by other doors: deletions, the database, rows between two models, SQL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import django
import library
import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, models, transaction
from django.db.models.deletion import Collector
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete
from django.test import modify_settings
from library import Author, Book, Loan, Tag

from signal_tracer import Trace, trace_signals
from signal_tracer.testing import mute
from signal_tracer.tracer import uninstall


class Shop(models.Model):
    class Meta:
        app_label = "library"


class Soft(models.QuerySet[Any]):
    def delete(self) -> tuple[int, dict[str, int]]:
        return self.update(is_gone=True), {}

    def purge(self) -> Any:
        return super().delete()


class Item(models.Model):
    """Of which ``delete()`` marks the row, unless it is asked to be hard."""

    shop = models.ForeignKey(Shop, models.SET_DEFAULT, default=None, null=True)
    first = models.ForeignKey(Shop, models.SET(None), null=True, related_name="+")
    is_gone = models.BooleanField(default=False)

    objects: ClassVar[Any] = Soft.as_manager()

    class Meta:
        app_label = "library"

    def delete(self, *args: Any, hard: bool = False, **kwargs: Any) -> Any:
        if hard:
            return super().delete(*args, **kwargs)
        self.is_gone = True
        self.save()  # the mark
        return 0, {}


class Entry(models.Model):
    """Nothing points to it, and it points to nothing."""

    class Meta:
        app_label = "library"


MODELS: list[Any] = [Shop, Item, Entry]

if django.VERSION >= (6, 1):

    class Root(models.Model):
        class Meta:
            app_label = "library"

    class Leaf(models.Model):
        root = models.ForeignKey(Root, models.DB_CASCADE)

        class Meta:
            app_label = "library"

    class Tip(models.Model):
        leaf = models.ForeignKey(Leaf, models.DB_CASCADE)

        class Meta:
            app_label = "library"

    MODELS += [Root, Leaf, Tip]


@pytest.fixture(scope="module", autouse=True)
def tables(django_db_setup: None, django_db_blocker: Any, library_tables: None) -> Iterator[None]:
    with django_db_blocker.unblock():
        with connection.schema_editor() as editor:
            for model in MODELS:
                editor.create_model(model)
        yield
        with connection.schema_editor() as editor:
            for model in reversed(MODELS):
                editor.delete_model(model)


@pytest.fixture
def installed() -> Iterator[None]:
    """Django finds what points to a model among the apps that are installed."""

    def look_again() -> None:
        for model in (*library.MODELS, *MODELS):
            model._meta._expire_cache()  # type: ignore[attr-defined]  # what apps does when ready

    with modify_settings(INSTALLED_APPS={"append": "library"}):
        look_again()
        yield
    look_again()


pytestmark = pytest.mark.usefixtures("books", "installed")


def index(sender: Any, **named: Any) -> None: ...


def forget(sender: Any, **named: Any) -> None: ...


def recount(sender: Any, **named: Any) -> None: ...


TAGS: Any = Book.tags.through
LISTENING: list[tuple[Any, Any, Any]] = [
    (post_save, index, Book),
    (post_save, index, Item),
    (post_delete, forget, Item),
    (m2m_changed, recount, Loan),
    (m2m_changed, recount, TAGS),
]


@pytest.fixture
def listening() -> Iterator[None]:
    for signal, receiver, sender in LISTENING:
        signal.connect(receiver, sender=sender)
    yield
    for signal, receiver, sender in LISTENING:
        signal.disconnect(receiver, sender=sender)


def lines(trace: Trace) -> list[str]:
    assert trace.faults == 0
    return [
        f"{each}: {', '.join(skipped.receiver.rpartition('.')[2] for skipped in each.skipped)}"
        for each in trace.all_bypasses()
    ]


def slugs(trace: Trace) -> list[str]:
    return [f"{each.level} {each.slug}" for each in trace.findings()]


# What a deletion does to other rows


@pytest.mark.usefixtures("listening")
def test_a_foreign_key_that_a_deletion_sets_to_null_goes_past_receivers_of_a_save() -> None:
    author = Author.objects.create(name="a")
    Book.objects.bulk_create([Book(title=each, author=author) for each in "ab"])
    with trace_signals() as trace:
        author.delete()

    assert lines(trace) == ["library.Book.author  SET_NULL  2 rows: index"]
    [bypass] = trace.bypasses
    assert (bypass.door, bypass.field, bypass.origin) == ("on_delete", "author", "library.Author")
    assert bypass.sent_from is not None
    assert bypass.sent_from.file == __file__
    [finding] = trace.findings()
    assert finding.message == (
        "Deleting library.Author changed library.Book.author in 2 rows by on_delete=SET_NULL "
        "without sending post_save, so test_deletions.index did not run."
    )


@pytest.mark.usefixtures("listening")
def test_so_do_a_default_and_a_value_that_is_set() -> None:
    shop = Shop.objects.create()
    Item.objects.create(shop=shop, first=shop)
    with trace_signals() as trace:
        Shop.objects.all().delete()

    assert sorted(lines(trace)) == [
        "library.Item.first  SET  1 row: index",
        "library.Item.shop  SET_DEFAULT  1 row: index",
    ]
    assert slugs(trace) == ["warning set-on-delete", "warning set-on-delete"]


@pytest.mark.usefixtures("listening")
def test_a_deletion_that_no_row_points_to_sets_nothing() -> None:
    author = Author.objects.create(name="a")
    Shop.objects.create()
    with trace_signals() as trace:
        author.delete()
        Shop.objects.all().delete()

    assert lines(trace) == []


def test_a_field_that_is_set_where_nobody_waits_for_the_save_is_no_bypass() -> None:
    author = Author.objects.create(name="a")
    Book.objects.create(title="a", author=author)
    post_delete.connect(forget, sender=Book)
    try:
        with trace_signals() as trace:
            author.delete()
    finally:
        post_delete.disconnect(forget, sender=Book)

    assert lines(trace) == []


@pytest.mark.usefixtures("listening")
def test_receivers_that_are_muted_were_not_left_out_by_a_deletion() -> None:
    author = Author.objects.create(name="a")
    Book.objects.create(title="a", author=author)
    with trace_signals() as trace, mute(index):
        author.delete()

    assert lines(trace) == []


@pytest.mark.skipif(django.VERSION < (6, 1), reason="Django 6.1 has DB_CASCADE")
def test_what_the_database_deletes_goes_past_receivers_down_to_the_last_table() -> None:
    pre_delete.connect(forget, sender=Tip)
    try:
        root = Root.objects.create()
        with trace_signals() as trace:
            root.delete()
        with trace_signals() as other:
            Tip.objects.create(leaf=Leaf.objects.create(root=Root.objects.create()))
            Tip.objects.all().delete()
    finally:
        pre_delete.disconnect(forget, sender=Tip)

    assert lines(trace) == ["library.Tip.leaf  DB_CASCADE: forget"]
    assert slugs(trace) == ["warning database-cascade"]
    assert lines(other) == []


# Rows between two models


@pytest.mark.usefixtures("listening")
def test_a_row_between_two_models_that_is_saved_or_deleted_itself_goes_past_m2m_changed() -> None:
    book, reader = Book.objects.create(title="a"), Author.objects.create(name="a")
    tag = Tag.objects.create(name="t")
    with trace_signals() as trace:
        loan = Loan.objects.create(book=book, reader=reader)
        loan.delete()
        Loan(book=book, reader=reader).save()
        Loan.objects.filter(book=book).delete()
        Loan.objects.bulk_create([Loan(book=book, reader=reader)])
        TAGS.objects.create(book=book, tag=tag)
        TAGS.objects.all().delete()

    assert lines(trace) == [
        "library.Loan.save()  1 row: recount",
        "library.Loan.delete()  1 row: recount",
        "library.Loan.save()  1 row: recount",
        "library.Loan.delete()  1 row: recount",
        "library.Loan.bulk_create()  1 row: recount",
        "library.Book_tags.save()  1 row: recount",
        "library.Book_tags.delete()  1 row: recount",
    ]
    assert set(slugs(trace)) == {"warning m2m-by-hand"}


@pytest.mark.usefixtures("listening")
def test_what_the_manager_of_the_field_does_sends_m2m_changed_and_is_none() -> None:
    book, reader = Book.objects.create(title="a"), Author.objects.create(name="a")
    tag = Tag.objects.create(name="t")
    with trace_signals() as trace:
        book.readers.add(reader)
        book.readers.remove(reader)
        book.readers.set([reader])
        book.readers.clear()
        reader.loans.add(book)  # type: ignore[attr-defined]  # reverse
        reader.loans.clear()  # type: ignore[attr-defined]
        book.tags.add(tag)
        book.tags.set([])

    assert lines(trace) == []


@pytest.mark.usefixtures("listening")
def test_a_row_between_two_models_that_is_saved_again_is_none() -> None:
    book, reader = Book.objects.create(title="a"), Author.objects.create(name="a")
    loan = Loan.objects.create(book=book, reader=reader)
    with trace_signals() as trace:
        loan.save()
        Loan.objects.update(reader=reader)

    assert lines(trace) == []


@pytest.mark.usefixtures("listening")
def test_an_object_that_is_deleted_takes_its_rows_between_with_it() -> None:
    book = Book.objects.create(title="a")
    book.tags.add(Tag.objects.create(name="t"), Tag.objects.create(name="u"))
    with trace_signals() as trace:
        book.delete()

    assert lines(trace) == ["library.Book_tags.delete()  by deleting library.Book  2 rows: recount"]
    assert slugs(trace) == ["info m2m-with-object"]


@pytest.mark.usefixtures("listening")
def test_an_object_without_any_takes_none() -> None:
    book = Book.objects.create(title="a")
    Tag.objects.create(name="t")
    with trace_signals() as trace:
        book.delete()

    assert lines(trace) == []


# Rows that are only marked


@pytest.mark.usefixtures("listening")
def test_a_delete_that_only_marks_the_row_goes_past_receivers_of_deletions() -> None:
    item = Item.objects.create()
    with trace_signals() as trace:
        item.delete()
        Item.objects.all().delete()

    assert lines(trace) == [
        "library.Item.delete()  1 row: forget",
        "library.Item.update()  1 row: index",
        "library.Item.delete()  1 row: forget",
    ]
    soft = [each for each in trace.findings() if each.slug == "soft-delete"]
    assert [each.message for each in soft] == [
        (
            "library.Item.delete() marked 1 row and deleted nothing: it sends no post_delete, so "
            "test_deletions.forget did not run."
        )
    ] * 2


@pytest.mark.usefixtures("listening")
def test_a_delete_that_goes_on_to_djangos_own_is_none() -> None:
    item = Item.objects.create()
    other = Item.objects.create()
    with trace_signals() as trace:
        item.delete(hard=True)
        Item.objects.filter(pk=other.pk).purge()

    assert lines(trace) == []
    assert [each.sender for each in trace.find(signal="post_delete")] == ["library.Item"] * 2


@pytest.mark.usefixtures("listening")
def test_to_save_or_update_elsewhere_marks_nothing() -> None:
    item = Item.objects.create()
    with trace_signals() as trace:
        item.is_gone = True
        item.save()
        Item.objects.filter(pk=item.pk).update(is_gone=True)

    assert lines(trace) == ["library.Item.update()  1 row: index"]


# SQL of one's own


@pytest.mark.usefixtures("listening")
def test_sql_that_changes_rows_of_a_model_goes_past_its_receivers() -> None:
    Item.objects.create()
    with trace_signals() as trace, connection.cursor() as cursor:
        cursor.execute("UPDATE library_item SET is_gone = %s", [True])
        cursor.execute('update "library_item" as i set is_gone = false where id > 0')
        cursor.execute("INSERT INTO library_item (is_gone) VALUES (%s)", [False])
        cursor.execute("DELETE FROM library_item WHERE id > 0")

    assert lines(trace) == [
        "library.Item  UPDATE in SQL  1 row: index",
        "library.Item  UPDATE in SQL  1 row: index",
        "library.Item  INSERT in SQL  1 row: index",
        "library.Item  DELETE in SQL  2 rows: forget",
    ]
    assert set(slugs(trace)) == {"warning sql-bypass"}


@pytest.mark.usefixtures("listening")
def test_sql_that_fails_is_none_and_the_one_that_is_run_for_it_is() -> None:
    Item.objects.create()
    with trace_signals() as trace, connection.cursor() as cursor:
        try:
            with transaction.atomic():
                cursor.execute("UPDATE library_item SET is_lost = true")
        except DatabaseError:
            cursor.execute("UPDATE library_item SET is_gone = true")

    assert lines(trace) == ["library.Item  UPDATE in SQL  1 row: index"]


@pytest.mark.usefixtures("listening")
def test_sql_that_changes_nothing_or_another_table_and_djangos_own_are_none() -> None:
    item = Item.objects.create()
    with trace_signals() as trace, connection.cursor() as cursor:
        cursor.execute("UPDATE library_item SET is_gone = true WHERE id < 0")
        cursor.execute("UPDATE library_entry SET id = id")
        cursor.execute("SELECT * FROM library_item")
        cursor.execute("DELETE FROM library_items_of_others WHERE 1 = 0") if False else None
        item.save()
        item.delete(hard=True)

    assert lines(trace) == []


@pytest.mark.usefixtures("listening")
def test_what_stands_between_a_cursor_and_django_is_not_taken_for_ones_own_sql() -> None:
    def passing(execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
        return execute(sql, params, many, context)

    with trace_signals() as trace, connection.execute_wrapper(passing):
        Item.objects.create().save()

    assert lines(trace) == []


# Rows that are deleted one by one


@pytest.fixture
def catching_all() -> Iterator[None]:
    post_delete.connect(forget)
    yield
    post_delete.disconnect(forget)


@pytest.mark.usefixtures("catching_all")
def test_rows_that_are_loaded_for_a_receiver_of_every_model_are_counted() -> None:
    Entry.objects.bulk_create([Entry() for _ in range(12)])
    with trace_signals() as trace:
        Entry.objects.all().delete()

    [slow] = trace.contents.slow_deletions
    assert (slow.model, slow.rows) == ("library.Entry", 12)
    assert [each.receiver for each in slow.receivers] == ["test_deletions.forget"]
    [finding] = trace.findings()
    assert f"{finding.level} {finding.slug}" == "warning fast-delete-lost"
    assert finding.message.startswith(
        "test_deletions.forget hears deletions of every model, so Django loads the rows first: "
        "12 rows of library.Entry at "
    )


@pytest.mark.usefixtures("catching_all")
def test_a_few_rows_and_those_that_must_be_loaded_anyhow_are_not() -> None:
    Entry.objects.bulk_create([Entry() for _ in range(9)])
    Book.objects.bulk_create([Book(title="a") for _ in range(12)])  # Rows may point to it.
    with trace_signals() as trace:
        Entry.objects.all().delete()
        Book.objects.all().delete()

    assert trace.contents.slow_deletions == []


def test_a_receiver_of_this_very_model_is_no_cost_of_being_there() -> None:
    Entry.objects.bulk_create([Entry() for _ in range(12)])
    post_delete.connect(forget, sender=Entry)
    try:
        with trace_signals() as trace:
            Entry.objects.all().delete()
    finally:
        post_delete.disconnect(forget, sender=Entry)

    assert trace.contents.slow_deletions == []


# The traced code cannot tell


@pytest.mark.usefixtures("listening")
@pytest.mark.usefixtures("listening")
def test_a_collector_of_ones_own_is_asked_for_nothing_that_it_has_not() -> None:
    asked: list[str] = []

    class Asked(Collector):
        def __getattr__(self, name: str) -> Any:
            asked.append(name)
            raise AttributeError(name)

    def delete() -> tuple[int, list[str]]:
        collector = Asked("default")
        asked.clear()
        collector.collect([Item.objects.create()])
        return collector.delete()[0], asked[:]

    untraced = delete()
    with trace_signals():
        assert delete() == untraced


def test_a_deletion_answers_and_leaves_the_same_traced_and_untraced() -> None:
    def play() -> list[Any]:
        author = Author.objects.create(name="a")
        book = Book.objects.create(title="a", author=author)
        book.tags.add(Tag.objects.create(name="t"))
        Loan.objects.create(book=book, reader=author)
        return [author.delete(), author.pk, Book.objects.get().author, book.delete(), book.pk]

    uninstall()
    untraced = play()
    with trace_signals() as trace:
        traced = play()

    assert traced == untraced
    assert trace.faults == 0


def test_a_user_that_nobody_listens_to_is_deleted_without_a_word() -> None:
    User.objects.create(username="a")
    with trace_signals() as trace:
        User.objects.all().delete()

    assert lines(trace) == []
