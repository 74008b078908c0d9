"""Bulk operations: which are bypasses, who did not run because of them, and from which line."""

import asyncio
import inspect
from collections.abc import Iterator
from typing import Any

import library
import pytest
from django.db import models
from django.db.models import Manager, QuerySet
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete, pre_save
from django.test import modify_settings
from library import Author, Book, Counted, Loan, Novel, OldBook, Tag

from signal_tracer import Trace, trace_signals
from signal_tracer.testing import mute
from signal_tracer.tracer import uninstall

pytestmark = pytest.mark.usefixtures("books")


def index(sender: Any, **named: Any) -> None: ...


async def audit(sender: Any, **named: Any) -> None: ...


def forget(sender: Any, **named: Any) -> None: ...


@pytest.fixture
def listening() -> Iterator[None]:
    """``index`` and ``audit`` wait for saved books, ``forget`` for deleted ones."""
    post_save.connect(index, sender=Book, dispatch_uid="index")
    pre_save.connect(audit, sender=Book)
    post_delete.connect(forget, sender=Book)
    yield
    post_save.disconnect(sender=Book, dispatch_uid="index")
    pre_save.disconnect(audit, sender=Book)
    post_delete.disconnect(forget, sender=Book)


def line_of(text: str) -> int:
    """The one line of this file that holds ``text`` as a comment."""
    lines = inspect.getsource(inspect.getmodule(line_of)).split("\n")  # type: ignore[arg-type]
    return next(number for number, line in enumerate(lines, 1) if line.endswith(f"# {text}"))


def lines(trace: Trace) -> list[str]:
    return [str(each) for each in trace.all_bypasses()]


@pytest.mark.usefixtures("listening")
def test_a_bulk_create_is_a_bypass_with_its_rows_its_line_and_who_did_not_run() -> None:
    with trace_signals() as trace:
        Book.objects.bulk_create([Book(title="a"), Book(title="b")])  # here

    [bypass] = trace.bypasses
    assert str(bypass) == "library.Book.bulk_create()  2 rows"
    assert bypass.sent_from is not None
    assert bypass.sent_from.file == __file__
    assert bypass.sent_from.line == line_of("here")
    assert bypass.sent_from.function.startswith("test_a_bulk_create_is_a_bypass")
    assert bypass.duration > 0
    assert bypass.started_at > 0
    assert [
        (each.signal, each.receiver, each.dispatch_uid, each.is_async) for each in bypass.skipped
    ] == [
        ("django.db.models.signals.pre_save", "test_bulk.audit", None, True),
        ("django.db.models.signals.post_save", "test_bulk.index", "index", False),
    ]
    assert bypass.skipped[1].defined_at is not None
    assert bypass.skipped[1].defined_at.function == "index"
    assert trace.faults == 0


class Importing(QuerySet[Any]):
    """As a project may have one, to do something of its own each time."""

    def bulk_create(self, *args: Any, **kwargs: Any) -> Any:
        return super().bulk_create(*args, **kwargs)


@pytest.mark.usefixtures("listening")
def test_a_bulk_operation_of_a_queryset_of_ones_own_is_where_that_was_called() -> None:
    with trace_signals() as trace:
        Importing(Book).bulk_create([Book(title="a")])  # the import

    [bypass] = trace.bypasses
    assert bypass.sent_from is not None
    assert bypass.sent_from.line == line_of("the import")


@pytest.mark.usefixtures("listening")
def test_a_receiver_that_is_muted_was_not_left_out_by_the_bulk_operation() -> None:
    with trace_signals() as trace:
        with mute(index):
            Book.objects.bulk_create([Book(title="a")])
        with mute(index, audit):
            Book.objects.bulk_create([Book(title="b")])

    assert [[each.receiver for each in bypass.skipped] for bypass in trace.bypasses] == [
        ["test_bulk.audit"]
    ]


def test_a_bulk_create_of_a_model_that_nobody_listens_to_is_none() -> None:
    with trace_signals() as trace:
        Book.objects.bulk_create([Book(title="a")])
        Book.objects.update(title="b")
        Book.objects.all()._raw_delete("default")

    assert lines(trace) == []


@pytest.mark.usefixtures("listening")
def test_receivers_of_other_models_do_not_count() -> None:
    with trace_signals() as trace:
        Tag.objects.bulk_create([Tag(name="a")])

    assert lines(trace) == []


def test_receivers_of_any_sender_count() -> None:
    post_save.connect(index)
    try:
        with trace_signals() as trace:
            Tag.objects.bulk_create([Tag(name="a")])
    finally:
        post_save.disconnect(index)

    [bypass] = trace.bypasses
    assert [each.receiver for each in bypass.skipped] == ["test_bulk.index"]


@pytest.mark.usefixtures("listening")
def test_each_operation_is_recorded_once_with_what_changed_its_meaning() -> None:
    with trace_signals() as trace:
        books = Book.objects.bulk_create(Book(title=f"{number}") for number in range(5))
        Book.objects.bulk_create([Book(pk=books[0].pk)], ignore_conflicts=True)
        Book.objects.bulk_create(
            [Book(pk=books[0].pk, title="new")],
            update_conflicts=True,
            unique_fields=["pk"],
            update_fields=["title"],
        )
        Book.objects.bulk_create([Book(pk=books[0].pk)], None, True)
        Book.objects.bulk_update(books, ["title"], batch_size=2)
        Book.objects.filter(pk__gt=books[0].pk).update(title="same")
        Book.objects.all()._raw_delete("default")

    assert [(str(each), each.options) for each in trace.bypasses] == [
        ("library.Book.bulk_create()  5 rows", ()),
        ("library.Book.bulk_create()  1 row", ("ignore_conflicts",)),
        ("library.Book.bulk_create()  1 row", ("update_conflicts",)),
        ("library.Book.bulk_create()  1 row", ("ignore_conflicts",)),
        ("library.Book.bulk_update()  5 rows", ()),
        ("library.Book.update()  4 rows", ()),
        ("library.Book._raw_delete()  5 rows", ()),
    ]
    assert [each.receiver for each in trace.bypasses[-1].skipped] == ["test_bulk.forget"]
    assert trace.faults == 0


@pytest.mark.usefixtures("listening")
def test_an_operation_that_changed_no_row_is_no_bypass() -> None:
    with trace_signals() as trace:
        Book.objects.bulk_create([])
        Book.objects.bulk_update([], ["title"])
        Book.objects.update(title="nobody")
        Book.objects.all()._raw_delete("default")

    assert lines(trace) == []


@pytest.mark.usefixtures("listening")
def test_an_operation_that_fails_is_no_bypass_and_fails_as_ever() -> None:
    with trace_signals() as trace:
        with pytest.raises(ValueError, match="Batch size must be a positive integer"):
            Book.objects.bulk_create([Book()], batch_size=-1)
        with pytest.raises(TypeError, match="once a slice has been taken"):
            Book.objects.all()[:1].update(title="x")

    assert lines(trace) == []
    assert trace.faults == 0


@pytest.mark.usefixtures("listening")
def test_saving_deleting_and_locking_are_no_bypasses() -> None:
    with trace_signals() as trace:
        book = Book.objects.create(title="a")
        book.title = "b"
        book.save(update_fields=["title"])
        Book.objects.update_or_create(title="b", defaults={"year": 1})
        Book.objects.get_or_create(title="c")
        list(Book.objects.select_for_update())
        book.delete()
        Book.objects.all().delete()

    assert lines(trace) == []


@pytest.fixture
def installed() -> Iterator[None]:
    """Django looks for what points to a row among the models of the installed apps."""

    def look_again() -> None:
        for model in library.MODELS:
            model._meta._expire_cache()  # type: ignore[attr-defined]  # what apps does when ready

    with modify_settings(INSTALLED_APPS={"append": "library"}):
        look_again()
        yield
    look_again()


@pytest.mark.usefixtures("listening", "installed")
def test_what_a_delete_does_to_other_rows_is_no_bulk_operation_of_somebodys() -> None:
    author = Author.objects.create(name="a")
    Book.objects.create(title="a", author=author)
    with trace_signals() as trace:
        author.delete()

    assert Book.objects.get().author is None
    assert lines(trace) == ["library.Book.author  SET_NULL  1 row"]


def test_an_update_of_its_own_row_inside_save_is_no_bypass() -> None:
    post_save.connect(index, sender=Counted)
    try:
        with trace_signals() as trace:
            first = Counted(title="a")
            first.save()
        assert lines(trace) == []

        Counted(title="b").save()
        with trace_signals() as trace:
            first.save_and_reset()
    finally:
        post_save.disconnect(index, sender=Counted)

    first.refresh_from_db()
    assert first.saves == 0
    assert lines(trace) == ["library.Counted.update()  2 rows"]


def test_an_update_of_the_row_that_is_saved_by_its_receiver_is_no_bypass() -> None:
    def number(sender: Any, instance: Any, **named: Any) -> None:
        Book.objects.filter(pk=instance.pk).update(year=1)
        Book.objects.filter(title="other").update(year=2)

    Book.objects.bulk_create([Book(title="other"), Book(title="other")])
    post_save.connect(number, sender=Book)
    post_save.connect(number, sender=Tag)
    try:
        with trace_signals() as trace:
            Book(title="a").save()
            Tag(pk=3, name="another model").save()
    finally:
        post_save.disconnect(number, sender=Book)
        post_save.disconnect(number, sender=Tag)

    [of_book, of_tag] = trace.receiver_calls()
    assert [str(each) for each in of_book.bypasses] == ["library.Book.update()  2 rows"]
    assert [str(each) for each in of_tag.bypasses] == [
        "library.Book.update()  1 row",
        "library.Book.update()  2 rows",
    ]
    assert trace.bypasses == []


@pytest.mark.parametrize(
    "setting", [{"MAX_DISPATCHES": 1}, {"EXCLUDE_SIGNALS": ["django.db.models.signals.pre_save"]}]
)
def test_the_row_that_is_saved_is_known_where_its_dispatch_is_not_recorded(
    setting: Any, settings: Any
) -> None:
    def number(sender: Any, instance: Any, **named: Any) -> None:
        assert Book.objects.filter(pk=instance.pk).update(year=1) == 1

    settings.SIGNAL_TRACER = setting
    book = Book.objects.create(title="a")
    pre_save.connect(number, sender=Book)
    post_save.connect(number, sender=Book)
    try:
        with trace_signals() as trace:
            book.save()
    finally:
        pre_save.disconnect(number, sender=Book)
        post_save.disconnect(number, sender=Book)

    [call] = trace.receiver_calls()
    assert (trace.omitted + trace.excluded, trace.faults) == (1, 0)
    assert (call.bypasses, trace.bypasses) == ([], [])


@pytest.mark.usefixtures("listening")
def test_custom_managers_and_querysets_count_once() -> None:
    Book.objects.bulk_create([Book(title="a")])
    with trace_signals() as trace:
        Book.shelf.lend()
        Book.shelf.bulk_create([Book(title="b")])
        Book._base_manager.update(year=3)

    assert lines(trace) == [
        "library.Book.update()  1 row",
        "library.Book.bulk_create()  1 row",
        "library.Book.update()  2 rows",
    ]


@pytest.mark.usefixtures("listening")
def test_related_managers_are_called_what_a_person_calls() -> None:
    author = Author.objects.create(name="a")
    book = Book.objects.create(title="a")
    with trace_signals() as trace:
        author.books.add(book)  # type: ignore[attr-defined]  # reverse relation
        author.books.update(year=7)  # type: ignore[attr-defined]  # reverse relation
        author.books.remove(book)  # type: ignore[attr-defined]  # reverse relation
        author.books.set([book])  # type: ignore[attr-defined]  # reverse relation
        author.books.clear()  # type: ignore[attr-defined]  # reverse relation

    assert lines(trace) == [
        "library.Book.add()  1 row",
        "library.Book.update()  1 row",
        "library.Book.remove()  1 row",
        "library.Book.set()  1 row",
        "library.Book.clear()  1 row",
    ]
    assert {each.sent_from.file for each in trace.bypasses if each.sent_from} == {__file__}


def test_the_rows_of_a_many_to_many_field_are_one_only_with_a_model_of_their_own() -> None:
    book = Book.objects.create(title="a")
    tag, reader = Tag.objects.create(name="t"), Author.objects.create(name="r")
    post_save.connect(index)
    m2m_changed.connect(index)
    try:
        with trace_signals() as trace:
            book.tags.add(tag)
            book.readers.add(reader)
    finally:
        post_save.disconnect(index)
        m2m_changed.disconnect(index)

    assert lines(trace) == ["library.Loan.add()  1 row"]


def test_the_proxy_and_the_child_are_senders_of_their_own() -> None:
    Novel(title="n").save()
    post_save.connect(index, sender=OldBook)
    post_save.connect(forget, sender=Novel)
    try:
        with trace_signals() as trace:
            Book.objects.update(year=1)
            OldBook.objects.update(year=2)
            Novel.objects.update(year=3)
    finally:
        post_save.disconnect(index, sender=OldBook)
        post_save.disconnect(forget, sender=Novel)

    assert [(str(each), each.skipped[0].receiver) for each in trace.bypasses] == [
        ("library.OldBook.update()  1 row", "test_bulk.index"),
        ("library.Novel.update()  1 row", "test_bulk.forget"),
    ]


@pytest.mark.usefixtures("listening")
def test_a_bypass_belongs_to_the_receiver_call_that_did_it() -> None:
    def import_books(sender: Any, **named: Any) -> None:
        Book.objects.bulk_create([Book(title="a")])

    post_save.connect(import_books, sender=Tag)
    try:
        with trace_signals() as outer, trace_signals() as trace:
            Tag(name="t").save()
    finally:
        post_save.disconnect(import_books, sender=Tag)

    for each in (trace, outer):
        [call] = each.receiver_calls()
        assert [str(bypass) for bypass in call.bypasses] == ["library.Book.bulk_create()  1 row"]
        assert each.bypasses == []
        assert Trace.from_dict(each.to_dict()).all_bypasses() == each.all_bypasses()


@pytest.mark.usefixtures("listening")
def test_dead_and_disconnected_receivers_are_not_named() -> None:
    def dying(sender: Any, **named: Any) -> None: ...

    post_save.connect(dying, sender=Book)
    del dying
    post_save.disconnect(sender=Book, dispatch_uid="index")
    pre_save.disconnect(audit, sender=Book)
    with trace_signals() as trace:
        Book.objects.bulk_create([Book(title="a")])

    assert lines(trace) == []


@pytest.mark.usefixtures("listening")
def test_a_trace_keeps_a_limited_number_and_counts_the_rest(settings: Any) -> None:
    settings.SIGNAL_TRACER = {"MAX_DISPATCHES": 3}
    Book.objects.bulk_create([Book(title="a")])
    with trace_signals() as trace:
        for _ in range(5):
            Book.objects.update(year=1)

    assert (len(trace.bypasses), trace.omitted_details) == (3, 2)


@pytest.mark.usefixtures("listening")
def test_after_the_trace_nothing_is_recorded() -> None:
    with trace_signals() as trace:
        pass
    Book.objects.bulk_create([Book(title="a")])

    assert trace.bypasses == []


@pytest.mark.usefixtures("listening")
def test_a_signal_that_is_excluded_leaves_its_receivers_out(settings: Any) -> None:
    settings.SIGNAL_TRACER = {
        "EXCLUDE_SIGNALS": ["*.pre_save", "*.post_save"],
        "RECORD_LOCATIONS": False,
    }
    with trace_signals() as trace:
        Book.objects.bulk_create([Book(title="a")])
        Book.objects.all()._raw_delete("default")

    [bypass] = trace.bypasses
    assert (str(bypass), bypass.sent_from) == ("library.Book._raw_delete()  1 row", None)


@pytest.mark.usefixtures("listening", "committed_books")
def test_the_async_twins_count_once() -> None:
    async def run() -> None:
        books = await Book.objects.abulk_create([Book(title="a"), Book(title="b")])
        await Book.objects.abulk_update(books, ["title"])
        await Book.objects.aupdate(year=1)

    with trace_signals() as trace:
        asyncio.run(run())

    assert lines(trace) == [
        "library.Book.bulk_create()  2 rows",
        "library.Book.bulk_update()  2 rows",
        "library.Book.update()  2 rows",
    ]
    assert trace.faults == 0


# What the traced code can see of the methods


def seen_of(method: Any) -> Any:
    return (
        method.__name__,
        method.__qualname__,
        method.__module__,
        method.__doc__,
        getattr(method, "alters_data", None),
        getattr(method, "queryset_only", None),
        inspect.signature(method),
        inspect.getfullargspec(method),
        inspect.isfunction(method),
    )


def test_the_methods_look_as_they_did() -> None:
    names = ("bulk_create", "bulk_update", "update", "_raw_delete")
    uninstall()
    before = [seen_of(getattr(QuerySet, name)) for name in names]
    with trace_signals():
        assert [seen_of(getattr(QuerySet, name)) for name in names] == before


@pytest.mark.usefixtures("listening")
def test_a_manager_made_while_installed_is_like_any_and_works_afterwards() -> None:
    uninstall()
    before = models.Manager.from_queryset(library.Shelf)
    with trace_signals() as trace:
        during: Any = Manager.from_queryset(library.Shelf)
        names = [name for name in dir(during) if not name.startswith("__")]
        assert names == [name for name in dir(before) if not name.startswith("__")]
        assert seen_of(during.bulk_create) == seen_of(before.bulk_create)
        manager = during()
        manager.model, manager.name = Book, "during"
        manager.bulk_create([Book(title="a")])
    uninstall()
    manager.bulk_create([Book(title="b")])

    assert Book.objects.count() == 2
    assert lines(trace) == ["library.Book.bulk_create()  1 row"]


@pytest.mark.usefixtures("listening")
def test_the_objects_given_are_not_looked_at_by_us() -> None:
    class Picky(list[Any]):
        asked = 0

        def __len__(self) -> int:
            Picky.asked += 1
            return super().__len__()

        def __iter__(self) -> Iterator[Any]:
            Picky.asked += 1
            return super().__iter__()

    def asked_by_bulk_create() -> int:
        Picky.asked = 0
        Book.objects.bulk_create(Picky([Book(title="a")]))
        return Picky.asked

    untraced = asked_by_bulk_create()
    with trace_signals() as trace:
        assert asked_by_bulk_create() == untraced

    assert lines(trace) == ["library.Book.bulk_create()  1 row"]


def test_receivers_of_deletions_are_named_by_raw_deletes_only() -> None:
    Loan.objects.all()._raw_delete("default")
    pre_delete.connect(forget, sender=Loan)
    try:
        book, reader = Book.objects.create(title="a"), Author.objects.create(name="r")
        book.readers.add(reader)
        with trace_signals() as trace:
            Loan.objects.update(reader=reader)
            book.readers.clear()
    finally:
        pre_delete.disconnect(forget, sender=Loan)

    assert lines(trace) == []
    assert [str(each) for each in trace.dispatches] == [
        "django.db.models.signals.pre_delete.send  sender=library.Loan"
    ]
