"""The rules about what went wrong unseen: swallowed exceptions, rolled-back work."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator

from signal_tracer.findings.catalogue import (
    HANDLED_EXCEPTION,
    LOST_ON_ROLLBACK,
    NOTE_OF_FAILURE_LOST,
    SEND_OF_OTHERS_REFUSED,
    SEND_REFUSED,
    SWALLOWED_EXCEPTION,
    SWALLOWED_REFUSAL,
    SWALLOWED_SYNC_IN_LOOP,
)
from signal_tracer.findings.kinds import Finding, Kind
from signal_tracer.findings.walk import Step, Walk, grouped, last_name, on_commit, whose
from signal_tracer.phrases import At, Names, Phrase
from signal_tracer.records import PROJECT, Dispatch, Error, Location, Owner, ReceiverCall
from signal_tracer.wording import innermost_of_project

# What runs before a row is written prepares it, and may run again for a second attempt.
PREPARING = frozenset(
    f"django.db.models.signals.{name}" for name in ("pre_init", "post_init", "pre_save")
)


def swallowed_exceptions(walk: Walk) -> Iterator[Finding]:
    swallowed = [
        # Where the exception could not be recorded, that there was one is worth saying.
        (call, step, call.error or Error("an exception", ""))
        for call, step in walk.calls
        if call.outcome == "swallowed"
    ]
    for same in grouped(
        swallowed, lambda each: (each[0].receiver, each[2].type, raised_at(each[0], each[2]))
    ):
        call, step, error = same[0]
        place = raised_at(call, error)
        yield Finding(
            _kind_of_swallowed(call, error),
            {
                "receiver": call.receiver,
                "error": str(error) if call.error else Phrase("an exception"),
                "method": step.dispatch.method,
                "place": At(place),
                "name": last_name(call.receiver),
            },
            names=(call.receiver, step.dispatch.signal, error.type),
            location=place,
            record=call,
            count=len(same),
            owner=_whose_fault(walk, call, place),
        )


def _kind_of_swallowed(call: ReceiverCall, error: Error) -> Kind:
    return kind_of_mistake(call, error) or SWALLOWED_EXCEPTION


def kind_of_mistake(call: ReceiverCall, error: Error) -> Kind | None:
    """One that nothing is to be handled for: the receiver itself has to be another one."""
    if cannot_take(call, error):
        return SWALLOWED_REFUSAL
    is_sync_in_loop = last_name(error.type) == "SynchronousOnlyOperation" and call.is_async
    return SWALLOWED_SYNC_IN_LOOP if is_sync_in_loop else None


_REFUSAL = re.compile(r"([\w.<>]+)\(\) (got an unexpected keyword argument|missing \d+ required)")


def cannot_take(call: ReceiverCall, error: Error) -> bool:
    """Whether the receiver did not even begin: it cannot take what was sent."""
    found = _REFUSAL.match(error.message) if error.type == "TypeError" else None
    return found is not None and f".{call.receiver}".endswith(f".{found[1]}")


def _whose_fault(walk: Walk, call: ReceiverCall, place: Location | None) -> Owner:
    """The receiver's owner; the project, if it is its code that raised."""
    owners = [walk.owner_of_call(call), walk.owner_of(place)]
    return whose(owners if PROJECT in owners else owners[:1])


def raised_at(call: ReceiverCall, error: Error) -> Location | None:
    if not error.traceback:
        return call.defined_at
    return innermost_of_project(error.traceback).location


def handled_exceptions(walk: Walk) -> Iterator[Finding]:
    handled = [
        (call, step, each) for call, step in walk.calls if call.handled for each in call.handled
    ]
    for same in grouped(
        handled, lambda each: (each[0].receiver, each[2].type, each[2].raised_at, each[2].caught_at)
    ):
        call, step, exception = same[0]
        yield Finding(
            HANDLED_EXCEPTION,
            {
                "receiver": call.receiver,
                "error": str(Error(exception.type, exception.message)),
                "place": At(exception.caught_at),
                "raised_at": At(exception.raised_at),
            },
            names=(call.receiver, step.dispatch.signal, exception.type),
            location=exception.caught_at,
            record=call,
            count=len(same),
            owner=whose([walk.owner_of_call(call)]),
        )


# What is sent where something has just failed.
_OF_FAILURES = (
    "django.contrib.auth.signals.user_login_failed",
    "django.core.signals.got_request_exception",
)


def notes_of_failures(walk: Walk) -> Iterator[Finding]:
    """Rows that were written about a failure, and were undone with it."""
    lost = [
        (call, step)
        for call, step in walk.calls
        if step.dispatch.signal in _OF_FAILURES
        and any(
            query.is_write and query.alias in step.dispatch.rolled_back for query in call.queries
        )
    ]
    for same in grouped(lost, lambda each: (each[0].receiver, each[1].dispatch.signal)):
        call, step = same[0]
        yield Finding(
            NOTE_OF_FAILURE_LOST,
            {
                "receiver": call.receiver,
                "signal": step.dispatch.signal,
                "aliases": Names.of(step.dispatch.rolled_back),
            },
            names=(call.receiver, step.dispatch.signal, step.dispatch.sender),
            location=call.defined_at,
            record=call,
            count=len(same),
            owner=whose([walk.owner_of_call(call)]),
        )


def refused_sends(walk: Walk) -> Iterator[Finding]:
    refused = [
        (dispatch, receivers)
        for dispatch in (step.dispatch for step in walk.steps)
        if (receivers := [m for m in dispatch.near_misses if m.reason == "refused"])
    ]
    for same in grouped(
        refused, lambda each: (each[0].signal, each[0].method, each[0].sent_from, *each[1])
    ):
        dispatch, receivers = same[0]
        names = [each.receiver for each in receivers]
        yield Finding(
            SEND_REFUSED if walk.is_sent_by_project(dispatch) else SEND_OF_OTHERS_REFUSED,
            {
                "signal": dispatch.signal,
                "method": dispatch.method,
                "async_method": f"a{dispatch.method}",
                "receivers": Names.of(names),
                "place": At(dispatch.sent_from),
            },
            names=(dispatch.signal, *names),
            location=dispatch.sent_from,
            record=dispatch,
            count=len(same),
            owner=whose(
                [
                    walk.owner_of(dispatch.sent_from),
                    *(walk.owner_of(each.defined_at, each.receiver) for each in receivers),
                ]
            ),
        )


def lost_on_rollback(walk: Walk) -> Iterator[Finding]:
    """Receivers that may have done something which a rollback does not undo.

    Left out are those whose work was undone with the rest, as far as a trace can tell: that
    wrote to the database which was rolled back, or waited for its commit, or raised. Left out are
    those of packages: of most that hear every model there was nothing to do for the row, and what
    the others do nobody here knows. Left out as well is what was sent again, the same in all it
    says, and then was not rolled back, unless for a row that was made anew, whatever key it got;
    and what a package undid on purpose, as a trial run is.
    """
    rolled_back = [step for step in walk.steps if _may_be_lost(step.dispatch)]
    if not rolled_back:
        return
    kept: dict[Hashable, float] = {}
    for step in walk.steps:
        if not step.dispatch.rolled_back:
            sent = _what_was_sent(step.dispatch)
            kept[sent] = max(kept.get(sent, 0.0), step.dispatch.started_at)
    lost: list[tuple[str, Step, ReceiverCall | None]] = []
    for step in rolled_back:
        dispatch = step.dispatch
        is_of_new_row = dispatch.kwargs.get("created") is True
        if not is_of_new_row and kept.get(_what_was_sent(dispatch), -1.0) >= dispatch.started_at:
            continue
        lost += [
            (call.receiver, step, call)
            for call in dispatch.receiver_calls
            if not _was_undone(call, dispatch.rolled_back)
            and whose([walk.owner_of_call(call)]) == PROJECT
        ]
        lost += [(receiver, step, None) for receiver in dispatch.unwatched or ()]
    for same in grouped(
        lost, lambda each: (each[0], each[1].dispatch.signal, each[1].dispatch.sender)
    ):
        receiver, step, call = same[0]
        dispatch = step.dispatch
        yield Finding(
            LOST_ON_ROLLBACK,
            {
                "receiver": receiver,
                "signal": dispatch.signal,
                "sender": dispatch.sender,
                "aliases": Names.of(dispatch.rolled_back),
                "on_commit": on_commit(dispatch.rolled_back),
                "place": At(dispatch.sent_from),
            },
            names=(receiver, dispatch.signal, dispatch.sender),
            location=(call and call.defined_at) or dispatch.sent_from,
            record=call or dispatch,
            count=len(same),
        )


def _may_be_lost(dispatch: Dispatch) -> bool:
    if not dispatch.rolled_back or dispatch.was_trial or dispatch.signal in PREPARING:
        return False
    action = dispatch.kwargs.get("action")  # of m2m_changed
    return not (isinstance(action, str) and action.startswith("pre_"))


def _what_was_sent(dispatch: Dispatch) -> Hashable:
    return (
        dispatch.signal,
        dispatch.sender,
        dispatch.method,
        dispatch.sent_from,
        tuple(dispatch.kwargs.items()),
    )


def _was_undone(call: ReceiverCall, rolled_back: tuple[str, ...]) -> bool:
    # A mail or a task that it did start is gone, whatever it wrote besides.
    return not call.errands and (
        call.outcome in ("raised", "cancelled")
        or any(query.is_write and query.alias in rolled_back for query in call.queries)
        or any(callback.alias in rolled_back for callback in call.on_commit)
    )
