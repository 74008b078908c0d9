"""Several databases: a dispatch is in the transactions of the one that it is about."""

import contextlib
import unittest
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections, transaction
from django.db.models import TextChoices
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete, pre_save
from django.dispatch import Signal
from django.test import TestCase
from library import Author, Book, Tag

from signal_tracer import Trace, trace_signals

sent = Signal()
mailed = Signal()
pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "logs"])

OF_A_ROW = (pre_save, post_save, pre_delete, post_delete, m2m_changed)


class Failed(Exception):
    pass


def listen(sender: Any, **named: Any) -> None: ...


@pytest.fixture(autouse=True, scope="module")
def second_database(library_tables: None, django_db_blocker: Any) -> Iterator[None]:
    """Only after the first was set up, and gone before it is torn down."""
    default = connections.settings["default"]
    connections.settings["logs"] = {
        **default,
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": ":memory:",
        "TEST": {**default["TEST"], "NAME": None},
    }
    with django_db_blocker.unblock(), connections["logs"].schema_editor() as editor:
        for model in (Author, Tag, Book):
            editor.create_model(model)
    yield
    connections["logs"].connection.close()  # Django leaves a database in memory open.
    del connections["logs"]
    del connections.settings["logs"]


@pytest.fixture(autouse=True)
def listening(committed_books: None) -> Iterator[None]:
    for signal in (sent, mailed, *OF_A_ROW):
        signal.connect(listen)
    yield
    for signal in OF_A_ROW:
        signal.disconnect(listen)
    sent.receivers = []
    mailed.receivers = []


def told(trace: Trace) -> list[tuple[str, str]]:
    """For each dispatch what was sent, and what became of the transactions that it was sent in."""
    assert trace.faults == 0
    return [
        (
            each.sender.strip("'"),
            ", ".join(
                f"{alias} {'lost' if alias in each.rolled_back else 'kept'}"
                for alias in each.in_atomic
            ),
        )
        for each in trace.walk()
    ]


@contextlib.contextmanager
def failing(using: str) -> Iterator[None]:
    with contextlib.suppress(Failed), transaction.atomic(using=using):
        yield
        raise Failed


def test_a_row_of_one_database_is_not_lost_with_a_block_of_another() -> None:
    with trace_signals() as trace, failing("default"):
        author = Author.objects.using("logs").create(name="a")
        book = Book.objects.using("logs").create(title="b")
        book.tags.add(Tag.objects.using("logs").create(name="t"))
        author.delete()

    signals = {each.signal.rpartition(".")[2] for each in trace.walk()}
    assert signals == {"pre_save", "post_save", "pre_delete", "post_delete", "m2m_changed"}
    in_blocks = {(each.in_atomic, each.rolled_back) for each in trace.walk()}
    # What Django does to many rows, it does in a block of their own database.
    assert in_blocks == {((), ()), (("logs",), ())}
    assert [each.slug for each in trace.findings()] == []


def test_a_row_is_lost_with_a_block_of_its_own_database() -> None:
    with trace_signals() as trace, transaction.atomic(), failing("logs"):
        Author.objects.using("logs").create(name="a")
        Author.objects.create(name="b")

    kept, lost = ("library.Author", "default kept"), ("library.Author", "logs lost")
    assert told(trace) == [lost, lost, kept, kept]
    [found] = trace.findings()
    assert (found.slug, found.count) == ("lost-on-rollback", 1)


def test_what_names_no_database_is_in_the_blocks_of_all() -> None:
    with trace_signals() as trace, failing("default"), transaction.atomic(using="logs"):
        sent.send("no using")
        sent.send("None", using=None)
        sent.send("no database", using="email")
        sent.send("another thing", using=7)
        sent.send("default", using="default")
        sent.send("logs", using="logs")

    assert told(trace) == [
        ("no using", "default lost, logs kept"),
        ("None", "default lost, logs kept"),
        ("no database", "default lost, logs kept"),
        ("another thing", "default lost, logs kept"),
        ("default", "default lost"),
        ("logs", "logs kept"),
    ]


def test_to_see_which_database_is_named_runs_nothing_of_the_users() -> None:
    def asked(*args: Any) -> Any:
        raise AssertionError("the tracer must not ask")

    named = dict.fromkeys(("__eq__", "__hash__", "__str__", "__repr__", "__len__"), asked)
    alias = type("Alias", (str,), named)("logs")
    anything = type("Anything", (), {**named, "__class__": property(asked), "__bool__": asked})()
    with trace_signals() as trace, failing("default"), transaction.atomic(using="logs"):
        sent.send("alias", using=alias)
        sent.send("anything", using=anything)

    assert told(trace) == [("alias", "logs kept"), ("anything", "default lost, logs kept")]


def test_an_alias_may_be_a_text_of_an_enumeration() -> None:
    class Database(TextChoices):
        LOGS = "logs"

    with trace_signals() as trace, failing("default"):
        Author.objects.using(Database.LOGS).create(name="a")

    assert told(trace) == [("library.Author", ""), ("library.Author", "")]


def test_nested_dispatches_have_databases_of_their_own() -> None:
    def relay(sender: Any, instance: Any, using: str, **named: Any) -> None:
        if using == "logs":
            sent.send("for everybody")
            Author(name="b").save(using="default")

    post_save.connect(relay)
    try:
        with trace_signals() as trace, failing("default"):
            Author(name="a").save(using="logs")
    finally:
        post_save.disconnect(relay)

    assert [
        (each.signal.rpartition(".")[2], each.kwargs.get("using"), each.rolled_back)
        for each in trace.walk()
    ] == [
        ("pre_save", "logs", ()),
        ("post_save", "logs", ()),
        ("sent", None, ("default",)),
        ("pre_save", "default", ("default",)),
        ("post_save", "default", ("default",)),
    ]


def test_a_callback_belongs_to_the_database_that_it_waits_for() -> None:
    def register(sender: Any, **named: Any) -> None:
        transaction.on_commit(send_mails, using="logs")
        transaction.on_commit(send_mails)

    def send_mails() -> None:
        mailed.send("about logs", using="logs")
        mailed.send("about default", using="default")
        mailed.send("about nothing")

    sent.connect(register, weak=False)
    with trace_signals() as trace, transaction.atomic():
        with transaction.atomic(using="logs"):
            sent.send("order", using="logs")
        transaction.set_rollback(True)

    [order] = trace.find(sender="'order'")
    assert (order.in_atomic, order.rolled_back) == (("logs",), ())
    registered = [each for call in order.receiver_calls for each in call.on_commit]
    assert [(each.alias, each.outcome) for each in registered] == [
        ("logs", "ran"),
        ("default", "discarded"),
    ]
    assert [
        (each.sender, (each.on_commit or "").rpartition(".")[2], each.in_atomic)
        for each in trace.find(signal=mailed)
    ] == [
        ("'about logs'", "send_mails", ()),
        ("'about default'", "send_mails", ("default",)),
        ("'about nothing'", "send_mails", ("default",)),
    ]


@pytest.mark.parametrize("begins", ["before the class", "in the class", "in the test"])
def test_the_blocks_that_a_test_case_puts_around_a_test_do_not_count(begins: str) -> None:
    class Case(TestCase):
        databases = frozenset(("default", "logs"))
        traces: tuple[Trace, ...] = ()

        @classmethod
        def setUpClass(cls) -> None:
            if begins == "before the class":
                cls.traces = (cls.enterClassContext(trace_signals()),)
            super().setUpClass()
            if begins == "in the class":
                cls.traces = (cls.enterClassContext(trace_signals()),)

        @classmethod
        def setUpTestData(cls) -> None:
            sent.send("for all tests")
            with transaction.atomic(using="logs"):
                sent.send("for all tests, inside", using="logs")

        def setUp(self) -> None:
            if begins == "in the test":
                type(self).traces += (self.enterContext(trace_signals()),)

        def test(self) -> None:
            for using in ("default", "logs"):
                sent.send("outside", using=using)
                with transaction.atomic(using=using, durable=True):
                    sent.send("inside", using=using)
                with failing(using):
                    sent.send("lost", using=using)
            connections["logs"].savepoint()
            sent.send("after a savepoint")

        test_again = test

    result = unittest.TestResult()
    unittest.TestSuite([Case("test"), Case("test_again")]).run(result)
    assert result.wasSuccessful(), result.failures + result.errors
    of_the_class = [("for all tests", ""), ("for all tests, inside", "logs kept")]
    assert [line for trace in Case.traces for line in told(trace)] == [
        *(of_the_class if begins == "before the class" else ()),
        *[
            ("outside", ""),
            ("inside", "default kept"),
            ("lost", "default lost"),
            ("outside", ""),
            ("inside", "logs kept"),
            ("lost", "logs lost"),
            ("after a savepoint", "logs kept"),
        ]
        * 2,
    ]
