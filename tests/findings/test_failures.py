"""What went wrong unseen: exceptions that were swallowed, work that a rollback does not undo."""

# ruff: noqa: E501  The expected messages are as long as they are.

from __future__ import annotations

from dataclasses import replace

import pytest
from telling import at, call, queries, saved, sent, told, traced

from signal_tracer.records import (
    Dispatch,
    Error,
    HandledException,
    OnCommit,
    ReceiverCall,
    Summary,
    TracebackLine,
)

NO_ADDRESS = Error(
    "shop.mail.NoAddress",
    "order 42 has none",
    (
        TracebackLine(at(9), "send(order)"),
        TracebackLine(at(12, "shop/mail.py", "send"), "raise NoAddress"),
        TracebackLine(at(400, "/srv/venv/lib/python3.13/site-packages/retry.py", "run"), "raise"),
    ),
)


def swallowing(**changes: object) -> Dispatch:
    return sent(call(outcome="swallowed", error=NO_ADDRESS), method="send_robust", **changes)


def test_a_swallowed_exception_is_told_with_the_line_that_raised_it() -> None:
    trace = traced(swallowing(), swallowing())
    [finding] = trace.findings()

    assert told(trace) == [
        (
            "error swallowed-exception: shop.receivers.index raised NoAddress: order 42 has none, "
            "and send_robust() swallowed it. x 2"
        )
    ]
    assert finding.location == at(12, "shop/mail.py", "send")
    assert finding.record is trace.dispatches[0].receiver_calls[0]
    assert finding.names == ("shop.receivers.index", "shop.signals.paid", "shop.mail.NoAddress")
    assert finding.docs == "docs/findings.md#swallowed-exception"
    assert finding.advice == (
        "Handle in shop.receivers.index what can fail at shop/mail.py:12, and retry what must not "
        "be lost in a task (Celery, Django's tasks). Or let the sender look through what "
        "send_robust() returns."
    )


def test_a_swallowed_exception_without_a_traceback_stands_at_its_receiver() -> None:
    error = replace(NO_ADDRESS, traceback=())
    [finding] = traced(sent(call(outcome="swallowed", error=error))).findings()

    assert finding.location == at(7)


def test_a_swallowed_exception_of_which_nothing_is_known_is_told_all_the_same() -> None:
    assert told(traced(sent(call(outcome="swallowed"), method="asend_robust"))) == [
        "error swallowed-exception: shop.receivers.index raised an exception, and asend_robust() swallowed it."
    ]


@pytest.mark.parametrize("outcome", ["raised", "cancelled"])
def test_an_exception_that_the_sender_got_is_not_swallowed(outcome: str) -> None:
    assert told(traced(sent(call(outcome=outcome, error=NO_ADDRESS), error=NO_ADDRESS))) == []


def test_exceptions_that_differ_only_in_their_message_are_one_finding() -> None:
    other = replace(NO_ADDRESS, message="order 43 has none")
    elsewhere = replace(NO_ADDRESS, traceback=NO_ADDRESS.traceback[:1])
    calls = [call(outcome="swallowed", error=each) for each in (NO_ADDRESS, other, elsewhere)]

    assert [each.count for each in traced(*map(sent, calls)).findings()] == [2, 1]


def test_an_exception_that_the_receiver_caught_itself_is_told_with_the_line_that_caught_it() -> (
    None
):
    handled = HandledException("builtins.KeyError", "'email'", at(12), at(14))
    trace = traced(sent(call(handled=[handled, handled])), sent(call(handled=[handled])))
    [finding] = trace.findings()

    assert told(trace) == [
        (
            "error swallowed-exception: shop.receivers.index caught KeyError: 'email' itself at "
            "shop/receivers.py:14, and went on. x 3"
        )
    ]
    assert finding.location == at(14)


# Rolled back


def mail(**changes: object) -> ReceiverCall:
    """A receiver that reads a row and sends a mail, as far as a trace can tell."""
    reads = queries('SELECT "auth_user"."email" FROM "auth_user"')
    return call("shop.receivers.mail", queries=reads, **changes)


def rolled_back(*calls: ReceiverCall, **changes: object) -> Dispatch:
    aliases = {"in_atomic": ("default",), "rolled_back": ("default",)}
    return sent(*calls, **{**aliases, **changes})


def test_a_receiver_that_ran_for_what_was_rolled_back_is_told() -> None:
    trace = traced(rolled_back(mail()))
    [finding] = trace.findings()

    assert told(trace) == [
        (
            "error lost-on-rollback: shop.receivers.mail ran for shop.signals.paid from shop.Order "
            "inside atomic(), and that was rolled back on default. What it did elsewhere (mail, "
            "cache, another service) was not."
        )
    ]
    assert finding.location == at(7)
    assert finding.record is trace.dispatches[0].receiver_calls[0]
    assert finding.names == ("shop.receivers.mail", "shop.signals.paid", "shop.Order")
    assert finding.advice == (
        "In shop.receivers.mail, leave such work to transaction.on_commit(). Or send the signal "
        "after the transaction: it was sent at shop/views.py:30."
    )


@pytest.mark.parametrize(
    "dispatch",
    [
        sent(mail(), in_atomic=("default",)),
        rolled_back(call(queries=queries("INSERT INTO a", is_write=True))),
        rolled_back(call(on_commit=[OnCommit("later", outcome="discarded")])),
        rolled_back(call(outcome="raised"), error=NO_ADDRESS),
        rolled_back(mail(), signal="django.db.models.signals.pre_save"),
        rolled_back(mail(), signal="django.db.models.signals.post_init"),
        rolled_back(mail(), kwargs={"action": "pre_add"}),
        rolled_back(),
    ],
    ids=[
        "committed",
        "wrote to what was rolled back",
        "waits for the commit",
        "raised",
        "prepares the row",
        "reads a row",
        "prepares the rows between two models",
        "no receiver",
    ],
)
def test_what_a_rollback_undid_or_what_did_nothing_yet_is_not_lost(dispatch: Dispatch) -> None:
    assert [line for line in told(traced(dispatch)) if "lost-on-rollback" in line] == []


def test_of_several_receivers_those_that_may_have_left_something_behind_are_told() -> None:
    wrote = call("shop.receivers.index", queries=queries("UPDATE a", is_write=True))
    wrote_elsewhere = call(
        "shop.receivers.log", queries=queries("UPDATE a", is_write=True, alias="logs")
    )
    trace = traced(rolled_back(wrote, mail(), wrote_elsewhere))

    assert [each.names[0] for each in trace.findings() if each.slug == "lost-on-rollback"] == [
        "shop.receivers.mail",
        "shop.receivers.log",
    ]


def test_a_receiver_that_its_signal_called_in_a_loop_of_its_own_is_told_as_well() -> None:
    [finding] = traced(rolled_back(unwatched=["plugins.mail"])).findings()

    assert (finding.slug, finding.names[0]) == ("lost-on-rollback", "plugins.mail")
    assert finding.location == at(30, "shop/views.py", "pay")


def test_what_was_sent_again_after_the_rollback_and_kept_is_not_lost() -> None:
    first = rolled_back(mail(), kwargs={"order": Summary("shop.Order(pk=1)")}, started_at=1.0)
    retried = replace(first, rolled_back=(), started_at=2.0)

    assert told(traced(first, retried)) == []
    assert (
        told(traced(first, replace(first, started_at=2.0), replace(retried, started_at=3.0))) == []
    )


@pytest.mark.parametrize(
    "other",
    [
        {"kwargs": {"order": Summary("shop.Order(pk=2)")}},
        {"sent_from": at(31, "shop/views.py", "pay")},
        {"started_at": 0.5},
    ],
    ids=["another order", "another line", "before"],
)
def test_what_was_sent_for_something_else_does_not_make_up_for_it(other: dict[str, object]) -> None:
    first = rolled_back(mail(), kwargs={"order": Summary("shop.Order(pk=1)")}, started_at=1.0)
    kept = replace(first, **{"rolled_back": (), "started_at": 2.0, **other})

    assert [each.slug for each in traced(first, kept).findings()] == ["lost-on-rollback"]


def test_a_saved_instance_that_was_rolled_back_is_told_by_its_receiver() -> None:
    trace = traced(
        saved("shop.Order(pk=1)", mail(), rolled_back=("default", "logs")),
        saved("shop.Order(pk=2)", mail(), rolled_back=("default",)),
    )

    assert told(trace) == [
        (
            "error lost-on-rollback: shop.receivers.mail ran for django.db.models.signals.post_save "
            "from shop.Order inside atomic(), and that was rolled back on default and logs. What it "
            "did elsewhere (mail, cache, another service) was not. x 2"
        )
    ]


# Notes of failures

LOGIN_FAILED = "django.contrib.auth.signals.user_login_failed"
UNDONE: dict[str, object] = {"in_atomic": ("default",), "rolled_back": ("default",)}
INSERT = 'INSERT INTO "shop_attempt" ("ip") VALUES (%s)'


def noting(signal: str = LOGIN_FAILED, alias: str = "default", **changes: object) -> Dispatch:
    noted = call(queries=queries(INSERT, alias=alias, is_write=True))
    return sent(noted, **{"signal": signal, "sender": "django.contrib.auth", **UNDONE, **changes})


def notes_lost(*dispatches: Dispatch) -> list[str]:
    found = traced(*dispatches).findings()
    return [each.message for each in found if each.slug == "failure-note-lost"]


@pytest.mark.parametrize("signal", [LOGIN_FAILED, "django.core.signals.got_request_exception"])
def test_what_is_written_about_a_failure_and_undone_with_it_is_told(signal: str) -> None:
    assert notes_lost(noting(signal), noting(signal)) == [
        (
            f"shop.receivers.index wrote for {signal} inside atomic(), and that was rolled back on "
            "default: its rows are gone."
        )
    ]


@pytest.mark.parametrize(
    "dispatch",
    [
        noting(rolled_back=()),
        noting(alias="log"),
        noting("shop.signals.paid"),
        sent(call(queries=queries("SELECT 1")), signal=LOGIN_FAILED, **UNDONE),
    ],
    ids=["kept", "over another alias", "of something that succeeded", "read only"],
)
def test_what_is_kept_or_is_no_note_of_a_failure_is_not_told(dispatch: Dispatch) -> None:
    assert notes_lost(dispatch) == []


# The database in an event loop

SYNC_ONLY = Error(
    "django.core.exceptions.SynchronousOnlyOperation",
    "You cannot call this from an async context - use a thread or sync_to_async.",
)


@pytest.mark.parametrize(("is_async", "is_told"), [(True, True), (False, False)])
def test_an_async_receiver_that_asks_the_database_as_sync_code_is_told_what_to_await(
    is_async: bool, is_told: bool
) -> None:
    swallowed = call(outcome="swallowed", error=SYNC_ONLY, is_async=is_async)
    [finding] = traced(sent(swallowed, method="asend_robust")).findings()

    assert finding.slug == "swallowed-exception"
    assert ("acreate()" in finding.advice) is is_told
