"""What is seen of lost work: fields, callbacks of tests, rows that stay, receivers that go."""

from __future__ import annotations

import datetime
import decimal
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.signals import post_save, pre_save
from django.dispatch import Signal
from django.test import TestCase
from library import Author, Book

from signal_tracer import Trace, trace_signals
from signal_tracer.records import Request
from signal_tracer.trace import Trace as TraceClass

happened = Signal()
happened_later = Signal()


@pytest.fixture(autouse=True)
def nobody_hears_it() -> Iterator[None]:
    before = pre_save.receivers[:], post_save.receivers[:]
    yield
    for signal, receivers in zip((pre_save, post_save), before, strict=True):
        signal.receivers = receivers
        signal.sender_receivers_cache.clear()
    happened.receivers = []


def slugs(trace: Trace) -> list[str]:
    assert trace.faults == 0
    return [each.slug for each in trace.findings()]


# Fields that receivers change


def left_out(book: Book, **named: Any) -> list[tuple[str, ...]]:
    with trace_signals() as trace:
        book.save(**named)
    assert trace.faults == 0
    return [each.left_out for each in trace.find(signal="pre_save")]


def changing(**values: Any) -> Any:
    def receiver(instance: Any, **kwargs: Any) -> None:
        for name, value in values.items():
            setattr(instance, name, value)

    pre_save.connect(receiver, sender=Book, weak=False)
    return receiver


@pytest.fixture
def book(books: None) -> Book:
    return Book.objects.create(title="a")


def test_a_field_that_is_changed_and_not_named_is_left_out(book: Book) -> None:
    changing(title="b", year=1900)

    assert left_out(book, update_fields=["is_lent"]) == [("year", "title")]


def test_a_field_that_was_deferred_is_left_out_by_nobody(book: Book) -> None:
    changing(title="b")
    with trace_signals() as trace:
        Book.objects.only("is_lent").get().save()
        Book.objects.only("is_lent", "title").get().save(update_fields=["is_lent"])
        Book.objects.defer("title").get().save()
        Book.objects.update_or_create(pk=book.pk, defaults={"is_lent": True})
        book.save(update_fields=["is_lent"])

    assert [(each.left_out, each.was_deferred) for each in trace.find(signal="pre_save")] == [
        *((("title",), deferred) for deferred in (True, False, True, False, False))
    ]


def test_a_key_to_another_row_goes_by_the_name_of_its_field(book: Book) -> None:
    changing(author=Author.objects.create(name="a"))

    assert left_out(book, update_fields=["is_lent"]) == [("author",)]


def test_a_moment_is_another_one_each_time(book: Book) -> None:
    book.title = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)  # type: ignore[assignment]
    changing(title=datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC))

    assert left_out(book, update_fields=["is_lent"]) == [("title",)]


@pytest.mark.parametrize("zone", [None, datetime.UTC])
def test_an_equal_moment_is_the_same(book: Book, zone: Any) -> None:
    book.title, same = (datetime.datetime(2026, 1, 1, tzinfo=zone) for _ in range(2))  # type: ignore[assignment]
    changing(title=same)

    assert left_out(book, update_fields=["is_lent"]) == [()]


def test_moments_are_compared_without_the_code_of_their_time_zones(book: Book) -> None:
    class Loud(datetime.tzinfo):
        def utcoffset(self, moment: object) -> Any:
            raise AssertionError("asked")

    zone = Loud()
    book.title = datetime.datetime(2026, 1, 1, tzinfo=zone)  # type: ignore[assignment]
    changing(title=datetime.datetime(2026, 1, 2, tzinfo=zone), year=1900)

    assert left_out(book, update_fields=["is_lent"]) == [("year", "title")]


@pytest.mark.parametrize(
    "named",
    [{}, {"update_fields": ["title"]}, {"update_fields": ["title", "is_lent"]}],
    ids=["the whole row", "the field", "the field and another"],
)
def test_a_field_that_is_written_is_not_left_out(book: Book, named: dict[str, Any]) -> None:
    changing(title="b")

    assert left_out(book, **named) == [()]


def test_what_is_set_to_what_it_was_is_not_changed(book: Book) -> None:
    book.title, other = (f"title {len(each)}" for each in ("ab", "cd"))
    changing(title=other, year=book.year, note="no field")

    assert left_out(book, update_fields=["is_lent"]) == [()]


def test_what_may_be_compared_by_code_of_its_own_is_not_compared(book: Book) -> None:
    class Loud(str):
        def __eq__(self, other: object) -> bool:
            raise AssertionError("compared")

        __hash__ = str.__hash__

    book.title = Loud("a")
    changing(title=Loud("b"))

    assert left_out(book, update_fields=["is_lent"]) == [()]


def test_a_number_that_cannot_be_compared_leaves_no_mark_on_the_context(book: Book) -> None:
    book.title = decimal.Decimal("sNaN")  # type: ignore[assignment]
    changing(title=decimal.Decimal(1))
    with decimal.localcontext() as context:
        context.clear_flags()
        assert left_out(book, update_fields=["is_lent"]) == [()]
        assert not any(context.flags.values())


def test_what_is_no_model_is_not_asked_for_fields() -> None:
    class Loud:
        @property
        def concrete_fields(self) -> Any:
            raise AssertionError("asked")

    class Fake:
        _meta = Loud()

    changing(year=1900)
    with trace_signals() as trace:
        pre_save.send(Book, instance=Fake(), update_fields=frozenset(["title"]))

    assert trace.faults == 0


# Callbacks in tests


def run(test: Any, *callbacks: Any, **options: Any) -> Trace:
    """The trace of a test that Django's ``TestCase`` runs, with a receiver of ``happened`` that
    registers the callbacks."""
    kept: list[Trace] = []

    def receiver(**named: Any) -> None:
        for each in callbacks or (print,):
            transaction.on_commit(each, **options)

    happened.connect(receiver, weak=False)

    class Example(TestCase):
        def test(self) -> None:
            with trace_signals() as trace:
                test(self)
            kept.append(trace)

    result = Example("test").run()
    assert result is not None
    assert result.wasSuccessful(), result
    return kept[0]


@pytest.mark.django_db
def test_a_callback_waits_for_a_test() -> None:
    assert slugs(run(lambda case: happened.send(None))) == ["waits-for-test"]


@pytest.mark.django_db
def test_a_callback_of_a_block_inside_a_test_waits_for_it_too() -> None:
    def test(case: Any) -> None:
        with transaction.atomic():
            happened.send(None)

    assert slugs(run(test)) == ["waits-for-test"]


@pytest.mark.django_db
@pytest.mark.parametrize("execute", [True, False])
def test_a_callback_that_the_test_collects_waits_for_nothing(execute: bool) -> None:
    def test(case: Any) -> None:
        with case.captureOnCommitCallbacks(execute=execute) as callbacks:
            happened.send(None)
        assert callbacks == [print]

    assert slugs(run(test)) == []


def fates(trace: Trace) -> list[tuple[str, bool]]:
    """What became of each callback, and whether it waits for a test, or that ran it."""
    assert trace.faults == 0
    found = [each for call in trace.receiver_calls() for each in call.on_commit]
    assert all((each.ran_at is not None) == (each.outcome in ("ran", "raised")) for each in found)
    return [(each.outcome, each.waits_for_test) for each in found]


def collect_and_run(case: Any) -> None:
    with case.captureOnCommitCallbacks(execute=True):
        happened.send(None)
        django_list = connection.run_on_commit
    assert connection.run_on_commit is django_list
    assert type(django_list) is list


@pytest.mark.django_db
def test_a_callback_that_a_test_collects_and_runs_has_run() -> None:
    trace = run(collect_and_run, print, print)

    assert fates(trace) == [("ran", True), ("ran", True)]
    assert "the test ran it, " in str(trace)
    assert slugs(trace) == []


@pytest.mark.django_db
def test_what_it_sends_is_sent_by_the_callback_and_what_it_registers_is_run_too() -> None:
    def again(**named: Any) -> None:
        transaction.on_commit(last)

    def last() -> None:
        happened_later.send("last")

    def first() -> None:
        happened_later.send("first")
        happened_later.send("again")

    happened_later.connect(again, sender="again")
    try:
        trace = run(collect_and_run, first)
    finally:
        happened_later.receivers = []

    assert fates(trace) == [("ran", True), ("ran", True)]
    sent = [
        (each.sender, (each.on_commit or "").rpartition(".")[2])
        for each in trace.find(signal="happened_later")
    ]
    assert sent == [("'again'", "first")]
    assert [call.on_commit[0].callback.rpartition(".")[2] for call in trace.receiver_calls()] == [
        "first",
        "last",
    ]


@pytest.mark.django_db
def test_a_callback_that_a_test_collects_and_does_not_run_waits_for_nothing() -> None:
    def test(case: Any) -> None:
        with case.captureOnCommitCallbacks() as callbacks:
            happened.send(None)
        callbacks[0]()  # Which cannot be seen.

    assert fates(run(test)) == [("waiting", False)]


def raise_it() -> None:
    raise ValueError("no")


@pytest.mark.django_db
def test_a_callback_that_raises_ends_the_others_that_the_test_runs() -> None:
    def test(case: Any) -> None:
        with pytest.raises(ValueError, match="no"):
            collect_and_run(case)
        assert type(connection.run_on_commit) is list

    trace = run(test, print, raise_it, print)

    assert fates(trace) == [("ran", True), ("raised", True), ("waiting", False)]


@pytest.mark.django_db
def test_a_robust_callback_that_raises_is_logged_and_the_others_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logging.getLogger("django.test"), "propagate", False)
    trace = run(collect_and_run, raise_it, print, robust=True)

    assert fates(trace) == [("raised", True), ("ran", True)]
    [call] = trace.receiver_calls()
    assert [each.was_logged for each in call.on_commit] == [True, False]
    assert logging.getLogger("django.test").filters == []


@pytest.mark.django_db
def test_a_callback_may_take_back_what_it_registers() -> None:
    def undo() -> None:
        with transaction.atomic():
            transaction.on_commit(print)
            transaction.set_rollback(True)

    def test(case: Any) -> None:
        with case.captureOnCommitCallbacks(execute=True) as callbacks:
            happened.send(None)
        assert callbacks == [undo, print]
        assert len(connection.run_on_commit) == 2
        assert type(connection.run_on_commit) is list

    assert fates(run(test, undo, print)) == [("ran", True), ("ran", True)]


def test_a_callback_outside_of_tests_is_not_waiting_for_one(committed_books: None) -> None:
    happened.connect(lambda **named: transaction.on_commit(print), weak=False)
    with trace_signals() as trace, transaction.atomic():
        happened.send(None)

    assert [each.waits_for_test for call in trace.receiver_calls() for each in call.on_commit] == [
        False
    ]
    assert slugs(trace) == []


# Rows that stay


def failing(**named: Any) -> None:
    raise ValueError("no")


def test_what_became_of_a_row_is_known_once_its_transaction_is(committed_books: None) -> None:
    post_save.connect(failing, sender=Author)
    with transaction.atomic():
        with trace_signals() as trace, pytest.raises(ValueError, match="no"):
            Author.objects.create(name="a")
        [inside] = trace.findings()
        transaction.set_rollback(True)
    [after] = trace.findings()

    assert "was still open" in inside.message
    assert "was rolled back with it" in after.message
    assert (inside.slug, after.slug) == ("raised-and-undone", "raised-and-undone")


def test_a_row_stays_that_nothing_was_around(committed_books: None) -> None:
    post_save.connect(failing, sender=Author)
    with trace_signals() as trace, pytest.raises(ValueError, match="no"):
        Author(name="a").save()

    assert Author.objects.count() == 1
    assert slugs(trace) == ["left-half-done"]


def test_a_row_goes_with_the_block_that_django_puts_around_it(committed_books: None) -> None:
    post_save.connect(failing, sender=Author)
    with trace_signals() as trace, pytest.raises(ValueError, match="no"):
        Author.objects.get_or_create(name="a")

    assert Author.objects.count() == 0
    assert slugs(trace) == ["raised-and-undone"]


# Receivers that come and go


def hear(**named: Any) -> None: ...


def make() -> Any:
    def heard(**named: Any) -> None: ...

    return heard


def test_receivers_of_the_same_code_are_counted_when_one_more_is_connected() -> None:
    for _ in range(2):
        happened.connect(make(), weak=False)
    with trace_signals() as trace:
        happened.connect(make(), weak=False)
    [finding] = trace.findings()

    assert (finding.level, finding.slug) == ("warning", "connected-late")
    assert "2 receivers of the same code were connected already" in finding.message


def test_a_loop_that_connects_is_one_finding() -> None:
    with trace_signals() as trace:
        for _ in range(3):
            happened.connect(make(), weak=False)
    [finding] = trace.findings()

    assert finding.count == 2
    assert "2 receivers of the same code were connected already" in finding.message


@pytest.mark.parametrize("other", ["another sender", "other code"])
def test_another_connection_of_a_kind_is_no_growth(other: str) -> None:
    happened.connect(make(), weak=False, sender=Author if other == "another sender" else None)
    with trace_signals() as trace:
        happened.connect(make() if other == "another sender" else hear, weak=False)

    assert [each.twins for each in trace.connection_changes] == [0]


def test_a_connect_in_vain_is_told_once_with_how_often() -> None:
    happened.connect(hear)
    with trace_signals() as trace:
        for _ in range(3):
            happened.connect(hear)
    [finding] = trace.findings()

    assert (finding.level, finding.slug, finding.count) == ("info", "connected-again", 3)


def test_a_connect_that_a_uid_guards_is_not_in_vain() -> None:
    happened.connect(hear, dispatch_uid="hear")
    with trace_signals() as trace:
        happened.connect(hear, dispatch_uid="hear")

    assert slugs(trace) == []


def test_what_found_nothing_to_disconnect_says_how_it_is_connected() -> None:
    happened.connect(hear, sender=Author, dispatch_uid="hear")
    with trace_signals() as trace:
        happened.disconnect(hear, sender=Author)
    [finding] = trace.findings()

    assert finding.slug == "nothing-disconnected"
    assert "dispatch_uid='hear'" in finding.message


def test_what_found_nothing_to_disconnect_names_the_class_that_it_is_connected_to() -> None:
    happened.connect(hear, sender=Author)
    with trace_signals() as trace:
        happened.disconnect(hear)
    [finding] = trace.findings()

    assert finding.message.endswith("returned False: it is connected with sender=library.Author.")


def test_what_waits_for_an_object_that_cannot_be_found_is_said_to_wait_for_a_sender() -> None:
    """Django keeps no more than its id of an object that nothing refers to weakly."""
    sender = object()
    happened.connect(hear, sender=sender)
    with trace_signals() as trace:
        happened.disconnect(hear)
    [finding] = trace.findings()

    assert finding.message.endswith("returned False: it is connected with sender=a sender.")


def test_what_is_connected_in_no_way_was_just_not_there() -> None:
    with trace_signals() as trace:
        happened.disconnect(hear)
    [finding] = trace.findings()

    assert finding.message.endswith("nothing was connected so.")


@pytest.mark.parametrize(
    ("request_", "found"),
    [
        (Request("POST", "/"), ("warning", "disconnected-in-request")),
        (None, ("info", "disconnected-for-a-while")),
    ],
)
def test_a_receiver_that_is_away_for_a_while_is_away_for_all(
    request_: Request | None, found: tuple[str, str]
) -> None:
    happened.connect(hear)
    with trace_signals() as trace:
        happened.disconnect(hear)
        happened.connect(hear)
    again = TraceClass("t", started_at=trace.started_at, request=request_, contents=trace.contents)
    [finding] = again.findings()

    assert (finding.level, finding.slug) == found
    assert "mute()" in finding.advice


def test_what_the_trace_connected_itself_it_may_take_away_and_connect_again() -> None:
    with trace_signals() as trace:
        happened.connect(hear)
        happened.disconnect(hear)
        happened.connect(hear)

    assert slugs(trace) == ["connected-late"]
