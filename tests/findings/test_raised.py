"""A receiver raised under ``send()``: what became of the work around it, and what did not run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from telling import at, call, saved, sent, told, traced

from signal_tracer.findings import Finding
from signal_tracer.records import Dispatch, Errand, Error, NearMiss, Owner, Summary, TracebackLine

M2M_CHANGED = "django.db.models.signals.m2m_changed"
NO_SERVER = Error("ConnectionError", "no answer", (TracebackLine(at(9), "mail()"),))
ROLLED_BACK: dict[str, Any] = {"in_atomic": ("default",), "rolled_back": ("default",)}


def raising(receiver: str = "shop.receivers.index", **changes: Any) -> Any:
    return call(receiver, **{"outcome": "raised", "error": NO_SERVER, **changes})


def found(*dispatches: Dispatch, **contents: Any) -> list[tuple[str, str]]:
    return [(each.level, each.slug) for each in traced(*dispatches, **contents).findings()]


def only(*dispatches: Dispatch) -> Finding:
    [finding] = traced(*dispatches).findings()
    return finding


# A row that stays


def test_a_row_that_was_written_outside_atomic_stays() -> None:
    dispatch = saved(
        "shop.Order(pk=3)",
        raising(),
        error=NO_SERVER,
        near_misses=[NearMiss("shop.receivers.log", "not_run", at(12))],
    )
    finding = only(dispatch)

    assert (finding.level, finding.slug) == ("error", "left-half-done")
    assert finding.message == (
        "shop.receivers.index raised after shop.Order(pk=3) was written, outside of atomic() "
        "(ConnectionError: no answer): the row stays, and what save() and shop/views.py:30 were to "
        "do next did not happen. Not run because of it: shop.receivers.log."
    )
    assert finding.location == at(9)
    assert "transaction.atomic() at shop/views.py:30" in finding.advice


def test_a_row_in_a_transaction_that_was_committed_all_the_same_stays() -> None:
    finding = only(saved("shop.Order(pk=3)", raising(), error=NO_SERVER, in_atomic=("default",)))

    assert finding.slug == "left-half-done"
    assert "inside atomic() on default, which was not rolled back" in finding.message


def test_a_row_of_another_database_is_to_be_saved_in_a_transaction_of_that() -> None:
    kwargs = {"instance": Summary("shop.Order(pk=3)"), "using": "logs"}
    finding = only(saved("shop.Order(pk=3)", raising(), error=NO_SERVER, kwargs=kwargs))

    assert "transaction.atomic(using='logs')" in finding.advice
    assert "transaction.on_commit(..., using='logs')" in finding.advice


def test_every_row_that_the_exception_passed_stays_and_is_told_once() -> None:
    inner = saved("shop.Line(pk=7)", raising("shop.receivers.count"), error=NO_SERVER)
    outer = saved("shop.Order(pk=3)", raising("shop.receivers.add", dispatches=[inner]))
    outer.error = NO_SERVER
    finding = only(outer)

    assert finding.names[0] == "shop.receivers.count"
    assert "shop.Line(pk=7) and shop.Order(pk=3)" in finding.message


def test_a_row_that_a_receiver_of_a_package_left_half_done_is_lost_too() -> None:
    place = at(7, "/x/site-packages/search/index.py")
    dispatch = saved("shop.Order(pk=3)", raising("search.index", defined_at=place), error=NO_SERVER)
    owners = {place.file: Owner("package", "search")}

    assert found(dispatch, owners=owners) == [("error", "left-half-done")]


# What other receivers did, and did not


@pytest.mark.parametrize(
    ("others", "near_misses"),
    [
        ([call("shop.receivers.log", defined_at=at(12))], []),
        ([], [NearMiss("shop.receivers.log", "not_run", at(12))]),
    ],
    ids=["before", "after"],
)
def test_a_dispatch_of_which_a_part_was_done_is_half_done(
    others: list[Any], near_misses: list[NearMiss]
) -> None:
    dispatch = sent(*others, raising(), error=NO_SERVER, near_misses=near_misses)

    assert found(dispatch) == [("error", "left-half-done")]


def test_a_mail_that_was_sent_before_it_raised_is_half_of_the_work() -> None:
    assert found(sent(raising(errands=[Errand("mail")]), error=NO_SERVER)) == [
        ("error", "left-half-done")
    ]


def test_a_login_that_a_receiver_ends_is_told() -> None:
    finding = only(
        sent(raising(), signal="django.contrib.auth.signals.user_logged_in", error=NO_SERVER)
    )

    assert (finding.level, finding.slug) == ("warning", "receiver-raised")
    assert "the exception went on to shop/views.py:30" in finding.message


# Near it, and no such thing


def test_what_was_rolled_back_is_not_half_done() -> None:
    finding = only(saved("shop.Order(pk=3)", raising(), error=NO_SERVER, **ROLLED_BACK))

    assert (finding.level, finding.slug) == ("info", "raised-and-undone")
    assert "on default was rolled back with it" in finding.message


def test_what_may_yet_be_rolled_back_is_not_half_done() -> None:
    open_ = {"in_atomic": ("default",), "is_undecided": True}
    finding = only(saved("shop.Order(pk=3)", raising(), error=NO_SERVER, **open_))

    assert (finding.level, finding.slug) == ("info", "raised-and-undone")
    assert "was still open" in finding.message


@pytest.mark.parametrize("name", ["pre_save", "pre_delete"])
def test_a_receiver_that_refuses_before_the_row_is_touched_leaves_nothing(name: str) -> None:
    finding = only(sent(raising(), signal=f"django.db.models.signals.{name}", error=NO_SERVER))

    assert (finding.level, finding.slug) == ("info", "raised-and-undone")
    assert "nothing of that row was written or deleted" in finding.message


def test_the_only_receiver_of_a_signal_of_ones_own_may_raise() -> None:
    assert told(traced(sent(raising(), error=NO_SERVER))) == []


@pytest.mark.parametrize("kind", ["SystemExit", "KeyboardInterrupt", "GeneratorExit"])
def test_what_ends_a_program_is_nobodys_mistake(kind: str) -> None:
    error = Error(kind, "")

    assert told(traced(saved("shop.Order(pk=3)", raising(error=error), error=error))) == []


def test_about_djangos_own_receivers_there_is_nothing() -> None:
    own = raising("django.contrib.auth.models.update_last_login", defined_at=None)

    assert told(traced(saved("auth.User(pk=3)", own, error=NO_SERVER))) == []


# m2m_changed


def changed(error: Error, **kwargs: Any) -> Dispatch:
    defaults = {
        "action": "post_add",
        "instance": Summary("shop.Group(pk=1)"),
        "model": Summary("shop.Flag"),
        "reverse": False,
        "pk_set": Summary("{1}"),
        "using": "default",
    }
    return sent(
        raising(error=error),
        signal=M2M_CHANGED,
        sender="shop.Flag_groups",
        kwargs={**defaults, **kwargs},
        error=error,
        **ROLLED_BACK,
    )


NO_SUCH = Error("AttributeError", "no flush", (TracebackLine(at(9), "instance.flush()"),))
NONE = Error("TypeError", "not iterable", (TracebackLine(at(9), "for pk in pk_set"),))


def test_a_receiver_that_cannot_do_with_the_other_side_is_told_of_reverse() -> None:
    finding = only(changed(NO_SUCH, reverse=True))

    assert (finding.level, finding.slug) == ("warning", "receiver-raised")
    assert "with reverse=True the instance is shop.Group(pk=1)" in finding.message
    assert "look at reverse" in finding.advice


def test_a_receiver_that_cannot_do_with_clear_is_told_of_pk_set() -> None:
    finding = only(changed(NONE, action="post_clear", pk_set=None))

    assert (finding.level, finding.slug) == ("warning", "receiver-raised")
    assert "pk_set is None for post_clear" in finding.message


def test_a_receiver_that_gives_none_to_django_is_told_of_pk_set_as_well() -> None:
    django = at(90, "/x/site-packages/django/db/models/query.py", "filter")
    line = TracebackLine(at(9), "filter(pk__in=pk_set)")
    in_django = Error("TypeError", "not iterable", (line, TracebackLine(django, "")))
    by_another = replace(
        in_django,
        traceback=(line, TracebackLine(at(3, "shop/mail.py"), ""), in_django.traceback[1]),
    )
    cleared: dict[str, Any] = {"action": "post_clear", "pk_set": None}

    assert only(changed(in_django, **cleared)).slug == "receiver-raised"
    assert only(changed(by_another, **cleared)).slug == "raised-and-undone"


def test_an_exception_that_has_nothing_to_do_with_the_side_is_just_undone() -> None:
    elsewhere = Error(
        "TypeError", "x", (TracebackLine(at(9), ""), TracebackLine(at(3, "shop/mail.py"), ""))
    )

    assert only(changed(NO_SUCH)).slug == "raised-and-undone"
    assert only(changed(NO_SERVER, reverse=True)).slug == "raised-and-undone"
    assert only(changed(elsewhere, reverse=True)).slug == "raised-and-undone"


# What everybody runs into once


def raised_as(error: str, message: str, signal: str, **changes: Any) -> Finding:
    failed = Error(error, message, (TracebackLine(at(9), "..."),))
    dispatch = saved("shop.Order(pk=3)", raising(error=failed), error=failed, **changes)
    return only(replace(dispatch, signal=signal))


NO_ORDER = ("shop.models.Order.DoesNotExist", "Order matching query does not exist.")
NO_SHOP = ("shop.models.Shop.DoesNotExist", "Shop matching query does not exist.")
BROKEN = (
    "django.db.transaction.TransactionManagementError",
    "An error occurred in the current transaction. You can't execute queries until then.",
)
PRE_SAVE = "django.db.models.signals.pre_save"
POST_SAVE = "django.db.models.signals.post_save"
POST_DELETE = "django.db.models.signals.post_delete"


def test_a_receiver_that_looks_for_the_new_row_before_it_is_written_is_told_how_to_know() -> None:
    finding = raised_as(*NO_ORDER, PRE_SAVE)

    assert (finding.level, finding.slug) == ("warning", "receiver-raised")
    assert "a new one is not in the database yet" in finding.message
    assert "instance._state.adding" in finding.advice


def test_a_receiver_that_looks_for_the_deleted_row_is_told_that_it_is_gone() -> None:
    finding = raised_as(*NO_ORDER, POST_DELETE, **ROLLED_BACK)

    assert (finding.level, finding.slug) == ("warning", "receiver-raised")
    assert "that is deleted by then" in finding.message
    assert "pre_delete" in finding.advice


@pytest.mark.parametrize("signal", [PRE_SAVE, POST_DELETE])
def test_a_receiver_that_finds_no_other_row_is_not_told_of_its_own(signal: str) -> None:
    assert raised_as(*NO_SHOP, signal, **ROLLED_BACK).slug == "raised-and-undone"


def test_a_transaction_that_a_caught_error_broke_is_told_as_such() -> None:
    finding = raised_as(*BROKEN, POST_SAVE, **ROLLED_BACK)

    assert (finding.level, finding.slug) == ("warning", "receiver-raised")
    assert "an error of an earlier query was caught inside the same atomic()" in finding.message


def test_another_misuse_of_a_transaction_is_not_a_broken_one() -> None:
    message = "This is forbidden when an 'atomic' block is active."

    assert raised_as(BROKEN[0], message, POST_SAVE, **ROLLED_BACK).slug == "raised-and-undone"


def test_a_row_whose_receiver_saves_it_without_an_end_is_told_how_to_end_that() -> None:
    endless = raised_as("RecursionError", "maximum recursion depth exceeded", POST_SAVE)

    assert endless.slug == "left-half-done"
    assert "filter(pk=...).update()" in endless.advice


def test_a_row_after_which_something_else_fails_is_told_to_handle_it() -> None:
    assert "Handle in shop.receivers.index" in raised_as("ValueError", "no", POST_SAVE).advice


@pytest.mark.parametrize("changes", [{}, ROLLED_BACK])
def test_a_receiver_that_cannot_be_called_is_told_what_to_take(changes: dict[str, Any]) -> None:
    missing = "missing 1 required positional argument: 'created'"
    own = raised_as("TypeError", f"index() {missing}", POST_SAVE, **changes)
    another = raised_as("TypeError", f"price() {missing}", POST_SAVE, **changes)

    assert own.slug == another.slug == ("raised-and-undone" if changes else "left-half-done")
    assert "def index(sender, **kwargs)" in own.advice
    assert "by keyword arguments alone" in own.kind.why
    assert "andle in shop.receivers.index" in another.advice


@pytest.mark.parametrize(("is_async", "is_told"), [(True, True), (False, False)])
def test_an_async_receiver_that_asks_the_database_as_sync_code_is_told_what_to_await(
    is_async: bool, is_told: bool
) -> None:
    error = Error("django.core.exceptions.SynchronousOnlyOperation", "You cannot call this")
    dispatch = saved("shop.Order(pk=3)", raising(error=error, is_async=is_async), error=error)
    finding = traced(dispatch).findings()[0]

    assert finding.slug == "left-half-done"
    assert ("acreate()" in finding.advice) is is_told


# Sent by hand

BY_HAND: dict[str, Any] = {"called": "signals.post_save.send"}
NO_CREATED = "index() missing 1 required positional argument: 'created'"


def test_no_row_was_written_where_the_signal_was_sent_by_hand() -> None:
    by_hand = saved("shop.Order(pk=3)", raising(), error=NO_SERVER, **BY_HAND)

    assert found(by_hand) == []  # As of a signal of one's own.
    assert found(replace(by_hand, called="order.save")) == [("error", "left-half-done")]
    log = call("shop.receivers.log", defined_at=at(12))
    half = only(saved("shop.Order(pk=3)", log, raising(), error=NO_SERVER, **BY_HAND))
    assert (half.slug, "was written" in half.message) == ("left-half-done", False)


@pytest.mark.parametrize("name", ["pre_save", "pre_delete"])
def test_what_is_sent_by_hand_before_a_row_is_touched_is_followed_by_none(name: str) -> None:
    signal, called = f"django.db.models.signals.{name}", f"signals.{name}.send"

    assert found(sent(raising(), signal=signal, error=NO_SERVER, called=called)) == []


def test_a_receiver_that_is_sent_too_little_by_hand_is_told_who_sends_it() -> None:
    finding = raised_as("TypeError", NO_CREATED, POST_SAVE, **BY_HAND)

    assert (finding.level, finding.slug) == ("warning", "receiver-raised")
    assert finding.message.startswith(
        f"shop.receivers.index could not be called with what shop/views.py:30 sends as {POST_SAVE}"
    )
    assert f"send what Django sends with {POST_SAVE}" in finding.advice
    assert "by hand" not in raised_as("TypeError", NO_CREATED, POST_SAVE).kind.title
