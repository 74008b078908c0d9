"""Whatever of ours fails around a bulk operation or a transaction, the traced code goes on."""

import contextlib
import logging
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.signals import m2m_changed, post_delete, post_save
from django.dispatch import Signal
from django.test import TestCase
from library import Author, Book, Counted, Loan, Tag, empty_tables
from observing import is_ours
from test_deletions import Entry, Item, Shop
from test_deletions import installed as installed
from test_deletions import tables as tables
from test_faults import Fault, broken, functions

from signal_tracer import trace_signals
from signal_tracer.collecting import bypassing, nodes, raw, routes, savepoints, sql
from signal_tracer.collecting.watching import bulk, callbacks, deletions, transactions
from signal_tracer.tracer import uninstall

pytestmark = pytest.mark.usefixtures("committed_books", "tables", "installed")

MODULES = (bulk, bypassing, callbacks, deletions, raw, routes, savepoints, sql, transactions)
# What stands here runs inside the user's code only; of the others test_faults tells.
OURS = (
    *("bulk.", "bypassing.", "callbacks.", "deletions.", "sql.", "transactions."),
    "routes.listeners",
    *("raw.Activity", "savepoints.Here", "savepoints.Savepoint"),
)

# Stand around what is fenced, and do nothing of their own.
WRAPPERS = {
    "callbacks._Entries.pop",
    "callbacks._Executed.__getitem__",
    "callbacks._Executed.end",
    "callbacks._InTurn.__init__",
    "callbacks._InTurn.__iter__",
    "callbacks._capturing_in",
    "callbacks._Running.__init__",
    "callbacks._Running.end",
    "callbacks._Running.fail",
    "callbacks._Running.note_log",
    "transactions.follow",
    "transactions.is_idle",
}

# Run when a trace starts, before anybody's code.
AT_THE_START = {
    "bulk._replacements",
    "callbacks._replacements",
    "deletions._replacements",
    "callbacks._test_case",
    "callbacks._watch_capture",
    "transactions._look_around",
    "transactions._replacements",
}

FUNCTIONS = """
bulk._begin
bulk._concrete
bulk._end
bulk._is_automatic
bulk._is_called_for_saving
bulk._is_inside_save
bulk._options
bulk._rows
bypassing.BypassRecord.__init__
bypassing._find_own_deletes
bypassing.codes_of
bypassing.deletes_softly
bypassing.left_out_by
bypassing.model_of
bypassing.note
bypassing.who_called
callbacks.CallbackRecord.__init__
callbacks._Entries.note_taken
callbacks._Executed.give_back
callbacks._Running._note_end
callbacks._Running.begin
callbacks._Running.begin_entry
callbacks._executed_on
callbacks._new_callback
callbacks._note_registered
deletions.SlowRecord.__init__
deletions._Deletion.__init__
deletions._Deletion.told
deletions._Unheard._has_signal_listeners
deletions._begin
deletions._class_of
deletions._end
deletions._in_database
deletions._loaded_rows
deletions._name_of_rule
deletions._note_mark
deletions._note_row
deletions._note_slow
raw.Activity.__missing__
routes.listeners
savepoints.Here.__init__
savepoints.Here._about_database
savepoints.Here.of
savepoints.Savepoint.__init__
sql._has_failed
sql._is_listening
sql._models_of
sql._user_of
sql.note_write
transactions._Stack.__init__
transactions._Stack.index_of
transactions._Stack.push
transactions._Stack.undo
transactions._first_savepoint
transactions._follow
transactions._is_trial
transactions._note_enter
transactions._note_exit
transactions._note_release
transactions._note_rollback
transactions._note_savepoint
transactions._note_savepoint_rollback
transactions._stack_of
transactions.forget
transactions.note_place
"""

sent = Signal()
mailed = Signal()


class Failed(Exception):
    pass


def play() -> list[Any]:
    """Bulk operations and transactions of every kind; returns what they answered and left."""
    answers: list[Any] = []
    bypassing._own_deletes.clear()

    def run(sender: Any, **named: Any) -> None:
        answers.append(sender)

    def callback() -> None:
        mailed.send("committed")

    def failing() -> None:
        raise Failed

    def registering(sender: Any, **named: Any) -> None:
        transaction.on_commit(callback)
        transaction.on_commit(failing, robust=True)

    @transaction.atomic
    def block(text: str) -> None:
        sent.send(text)
        Author(name=text).save()
        with contextlib.suppress(Failed), transaction.atomic():
            sent.send("inner")
            raise Failed
        sid = connection.savepoint()
        connection.savepoint_rollback(sid)
        connection.savepoint_commit(sid)
        if text == "fails":
            raise Failed

    def updating(sender: Any, instance: Any, **named: Any) -> None:
        Tag.objects.filter(pk=instance.pk).update(name="u")

    sent.connect(run)
    post_delete.connect(run)
    m2m_changed.connect(run, sender=Loan)
    post_save.connect(updating, sender=Tag)
    mailed.connect(run)
    sent.connect(registering)
    post_save.connect(run)
    try:
        author = Author(name="a")
        author.save()
        Book.objects.bulk_create([Book(title="a"), Book(title="b")], ignore_conflicts=True)
        answers.append(Book.objects.bulk_update(Book.objects.order_by("title"), ["title"]))
        answers.append(Book.shelf.lend())
        author.books.add(Book.objects.earliest("title"))  # type: ignore[attr-defined]  # reverse
        Book.objects.earliest("title").tags.add(Tag.objects.create(name="t"))
        Counted(title="c").save()
        answers.append(Book.objects.filter(title="b")._raw_delete("default"))
        Loan.objects.create(book=Book.objects.earliest("title"), reader=author).save()
        with connection.cursor() as cursor:
            cursor.execute("UPDATE library_author SET name = name")
        Item.objects.create(shop=Shop.objects.create()).delete()
        answers.append(Shop.objects.all().delete())
        Entry.objects.bulk_create([Entry() for _ in range(10)])
        answers.append(Entry.objects.all().delete())
        for text in ("works", "fails"):
            with contextlib.suppress(Failed):
                block(text)
        with transaction.atomic(), TestCase.captureOnCommitCallbacks(execute=True):
            sent.send("captured")
        sent.send("outside")
        with contextlib.suppress(Failed):
            transaction.on_commit(failing)
    finally:
        sent.receivers = []
        mailed.receivers = []
        post_save.disconnect(run)
        post_delete.disconnect(run)
        m2m_changed.disconnect(run, sender=Loan)
        post_save.disconnect(updating, sender=Tag)
    answers.append(sorted(Book.objects.values_list("title", "is_lent", "author__name")))
    answers.append((connection.in_atomic_block, connection.run_on_commit, connection.savepoint_ids))
    connection.savepoint_state = 0
    empty_tables()
    for model in (Item, Shop):
        model.objects.all()._raw_delete("default")
    return answers


def wait(**named: Any) -> None: ...


@pytest.fixture(autouse=True)
def somebody_waits() -> Iterator[None]:
    """From before a trace begins: what nobody waits for is not watched."""
    m2m_changed.connect(wait, sender=Loan)
    post_delete.connect(wait, sender=Item)
    yield
    m2m_changed.disconnect(wait, sender=Loan)
    post_delete.disconnect(wait, sender=Item)


@pytest.fixture(autouse=True)
def nothing_reported_yet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(nodes, "_reported", set())
    loggers = [logging.getLogger(name) for name in ("django.db.backends.base", "django.test")]
    handler = logging.NullHandler()
    for logger in loggers:
        monkeypatch.setattr(logger, "propagate", False)  # What it logs here is the rule.
        logger.addHandler(handler)
    yield
    for logger in loggers:
        logger.removeHandler(handler)
    savepoints.forget_all()


def untraced() -> list[Any]:
    uninstall()
    return play()


def run_traced(breaking: Any = None) -> tuple[list[Any], Any]:
    with trace_signals() as trace, breaking or nullcontext():
        answers = play()
    return answers, trace


def test_the_list_of_functions_is_complete() -> None:
    known, found = functions(MODULES), set()

    def note(frame: Any, event: str, argument: Any) -> None:
        code = frame.f_code
        if event == "call" and is_ours(code.co_filename) and code in known:
            found.add(known[code][0])

    with trace_signals():
        pass

    def profiled() -> None:
        sys.setprofile(note)
        try:
            with transaction.atomic(), trace_signals():
                pass
            run_traced()
        finally:
            sys.setprofile(None)

    profiled()

    ours = {name for name in found if name.startswith(OURS)}
    assert ours - WRAPPERS - AT_THE_START == set(FUNCTIONS.split())
    assert WRAPPERS - found == set()


def test_nothing_fails_by_itself() -> None:
    expected = untraced()
    answers, trace = run_traced()

    assert answers == expected
    assert trace.faults == 0


@pytest.mark.parametrize("name", FUNCTIONS.split())
def test_a_function_of_ours_that_fails_disturbs_nobody(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    expected = untraced()
    by_name = dict(functions(MODULES).values())
    with caplog.at_level(logging.ERROR, logger="signal_tracer"):
        answers, trace = run_traced(broken(by_name[name]))

    assert answers == expected
    assert trace.faults > 0
    records = [record for record in caplog.records if record.name == "signal_tracer"]
    assert records
    assert all("the traced code went on undisturbed" in record.getMessage() for record in records)
    assert all(record.exc_info and record.exc_info[0] is Fault for record in records)
