"""The rules about commits: what did not wait for one, or for another's; what was not saved."""

from __future__ import annotations

import re
from collections.abc import Iterator

from signal_tracer.findings import catalogue
from signal_tracer.findings.costs import short_sql
from signal_tracer.findings.failures import PREPARING
from signal_tracer.findings.kinds import Finding, Kind
from signal_tracer.findings.walk import (
    Step,
    Walk,
    grouped,
    instance_of,
    is_sent_by_hand,
    last_name,
    on_commit,
    update_fields_of,
    using_of,
    whose,
)
from signal_tracer.phrases import At, Names, Phrase, Sentence, Sql, Words
from signal_tracer.records import Dispatch, Errand, OnCommit, Owner, Query, ReceiverCall, Summary

_MODELS = "django.db.models.signals."
_POST_SAVE = f"{_MODELS}post_save"
_PRE_SAVE = f"{_MODELS}pre_save"
_M2M_CHANGED = f"{_MODELS}m2m_changed"
_DELETED = frozenset((f"{_MODELS}pre_delete", f"{_MODELS}post_delete"))
# Before the row is there nobody waits for it but the transaction.
_NEVER_EARLY = PREPARING - {_PRE_SAVE}


def work_before_the_commit(walk: Walk) -> Iterator[Finding]:
    """What a receiver started inside a transaction, and what does not wait for its commit.

    Not where that was rolled back: then it is told what was lost.
    """
    early = [
        (call, step, errand)
        for call, step in walk.calls
        for errand in call.errands
        if _is_early(step.dispatch)
    ]
    for same in grouped(
        early,
        lambda each: (
            *(each[0].receiver, each[1].dispatch.signal),
            *(each[2].kind, each[2].target, each[2].sent_from),
        ),
    ):
        call, step, errand = same[0]
        dispatch = step.dispatch
        yield Finding(
            catalogue.BEFORE_COMMIT_OF_DELETION
            if dispatch.signal in _DELETED
            else catalogue.BEFORE_COMMIT,
            {
                "receiver": call.receiver,
                "did": _did(errand),
                "signal": dispatch.signal,
                "senders": Names.of(each.dispatch.sender for _, each, _ in same),
                "in_atomic": Names.of(dispatch.in_atomic),
                "on_commit": on_commit(dispatch.in_atomic),
                "place": At(errand.sent_from or call.defined_at),
            },
            names=(call.receiver, dispatch.signal),
            location=errand.sent_from or call.defined_at,
            record=call,
            count=len(same),
            owner=_who_started(walk, call, errand),
        )


def _is_early(dispatch: Dispatch) -> bool:
    is_of_row = dispatch.signal not in _NEVER_EARLY
    return bool(dispatch.in_atomic) and not dispatch.rolled_back and is_of_row


def _who_started(walk: Walk, call: ReceiverCall, errand: Errand) -> Owner:
    """A package may have threads of its own, which need no row."""
    if errand.kind == "thread" and errand.sent_from is not None:
        return whose([walk.owner_of(errand.sent_from)])
    return whose([walk.owner_of_call(call)])


def _did(errand: Errand) -> Words:
    if errand.kind == "mail" or not errand.target:
        return _DID_SOMETHING[errand.kind]
    return Sentence(_DID[errand.kind].words, {"target": errand.target})


_DID = {
    "thread": Phrase("started %(target)s in a thread or process"),
    "task": Phrase("queued the task %(target)s"),
    "network": Phrase("called the server %(target)s"),
}
_DID_SOMETHING = {
    "mail": Phrase("sent a mail"),
    "thread": Phrase("started something in a thread or process"),
    "task": Phrase("queued a task"),
    "network": Phrase("called a server"),
}


def callbacks_in_tests(walk: Walk) -> Iterator[Finding]:
    """Callbacks that wait for the transaction around a test, unless that collected them."""
    waiting = [
        (call, step, callback)
        for call, step in walk.calls
        for callback in call.on_commit
        if callback.waits_for_test
        and callback.outcome in ("waiting", "discarded")
        and callback.alias not in step.dispatch.rolled_back
    ]
    for same in grouped(waiting, lambda each: (each[0].receiver, each[2].callback)):
        call, step, callback = same[0]
        is_default = callback.alias == "default"
        yield Finding(
            catalogue.WAITS_FOR_TEST,
            {
                "receiver": call.receiver,
                "callback": callback.callback,
                "execute": "execute=True"
                if is_default
                else f"using={callback.alias!r}, execute=True",
            },
            names=(call.receiver, step.dispatch.signal, callback.callback),
            location=callback.defined_at or call.defined_at,
            record=call,
            count=len(same),
            owner=whose([walk.owner_of_call(call)]),
        )


def callbacks_that_raised(walk: Walk) -> Iterator[Finding]:
    """With those after them that Django forgot, after all was committed."""
    registered = [
        (call, step, callback) for call, step in walk.calls for callback in call.on_commit
    ]
    for call, step, callback in registered:
        if callback.outcome != "raised" or callback.ran_at is None:
            continue
        not_run = [
            other.callback
            for _, _, other in registered
            if other.outcome == "not_run"
            and other.alias == callback.alias
            and _is_of_same_commit(other, callback, registered)
        ]
        yield Finding(
            catalogue.CALLBACK_LOGGED if callback.was_logged else catalogue.CALLBACK_RAISED,
            {
                "receiver": call.receiver,
                "callback": callback.callback,
                "not_run": Sentence(
                    " Not run because of it: %(receivers)s.", {"receivers": Names.of(not_run)}
                )
                if not_run
                else "",
            },
            names=(call.receiver, step.dispatch.signal, callback.callback),
            location=callback.defined_at or call.defined_at,
            record=call,
            owner=whose([walk.owner_of_call(call)]),
        )


def _is_of_same_commit(
    left_out: OnCommit,
    raised: OnCommit,
    registered: list[tuple[ReceiverCall, Step, OnCommit]],
) -> bool:
    """Whether it is the next of its database to raise that left it out."""
    ends = [
        each.ran_at
        for _, _, each in registered
        if each.outcome == "raised"
        and each.alias == raised.alias
        and each.ran_at is not None
        and each.ran_at >= left_out.registered_at
    ]
    return raised.ran_at == min(ends, default=None)


def other_databases(walk: Walk) -> Iterator[Finding]:
    """Receivers that look for the row that was just written where it is not.

    Not where the receiver writes there as well: it keeps a copy.
    """
    astray = [
        (call, step, query)
        for call, step in walk.calls
        if (using := using_of(step.dispatch)) and step.dispatch.signal not in PREPARING
        for query in call.queries
        if query.alias != using
        and not query.is_write
        and _reads(query, _table_of(step.dispatch.sender))
        and not _writes_to(call, query.alias)
    ]
    for same in grouped(astray, lambda each: (each[0].receiver, each[1].dispatch.sender)):
        call, step, query = same[0]
        dispatch = step.dispatch
        yield Finding(
            catalogue.OTHER_DATABASE,
            {
                "receiver": call.receiver,
                "sender": dispatch.sender,
                "sender_name": last_name(dispatch.sender),
                "using": using_of(dispatch),
                "aliases": Names.of(each[2].alias for each in same),
                "sql": Sql(short_sql(query.sql)),
                "place": At(call.defined_at),
            },
            names=(call.receiver, dispatch.signal, dispatch.sender),
            location=call.defined_at,
            record=call,
            count=len({id(each[0]) for each in same}),
            owner=whose([walk.owner_of_call(call)]),
        )


def callbacks_elsewhere(walk: Walk) -> Iterator[Finding]:
    """Callbacks that wait for a commit of another database than that of the row.

    Not where the row's is not in a transaction, or where the receiver wrote to the other one.
    """
    elsewhere = [
        (call, step, callback)
        for call, step in walk.calls
        if (using := using_of(step.dispatch)) and using in step.dispatch.in_atomic
        for callback in call.on_commit
        if callback.alias != using and not _writes_to(call, callback.alias)
    ]
    for same in grouped(
        elsewhere, lambda each: (each[0].receiver, each[1].dispatch.sender, each[2].callback)
    ):
        call, step, callback = same[0]
        dispatch = step.dispatch
        yield Finding(
            catalogue.ON_COMMIT_ELSEWHERE,
            {
                "receiver": call.receiver,
                "callback": callback.callback,
                "sender": dispatch.sender,
                "using": using_of(dispatch),
                "aliases": Names.of([callback.alias]),
                "outcome": _what_it_did(callback),
                "place": At(call.defined_at),
            },
            names=(call.receiver, dispatch.signal, dispatch.sender),
            location=call.defined_at,
            record=call,
            count=len(same),
            owner=whose([walk.owner_of_call(call)]),
        )


def _what_it_did(callback: OnCommit) -> Phrase:
    if callback.ran_at is None:
        return Phrase("waits for another commit than that of the row")
    return Phrase("did not wait for the commit of the row")


def _writes_to(call: ReceiverCall, alias: str) -> bool:
    return any(query.is_write and query.alias == alias for query in call.queries) or any(
        using_of(nested) == alias for nested in call.dispatches
    )


def relations_read_too_early(walk: Walk) -> Iterator[Finding]:
    """A receiver of ``post_save`` that reads the rows of a relation which come only afterwards."""
    changes = [step for step in walk.steps if step.dispatch.signal == _M2M_CHANGED]
    unheard = {each.sender for each in walk.contents.unheard if each.signal == _M2M_CHANGED}
    if not changes and not unheard:
        return
    throughs = dict.fromkeys([*(step.dispatch.sender for step in changes), *sorted(unheard)])
    early = [
        (call, step, through)
        for call, step in walk.calls
        if step.dispatch.signal == _POST_SAVE and call.queries
        for through in throughs
        if _reads_rows_of(call, step.dispatch, through)
        and (
            (through in unheard and step.dispatch.kwargs.get("created") is True)
            or any(_is_for_the_row(each, step, through) for each in changes)
        )
    ]
    for same in grouped(early, lambda each: (each[0].receiver, each[2])):
        call, step, through = same[0]
        dispatch = step.dispatch
        yield Finding(
            catalogue.M2M_TOO_EARLY,
            {
                "receiver": call.receiver,
                "through": through,
                "signal": dispatch.signal,
                "instance": instance_of(dispatch),
                "place": At(call.defined_at),
            },
            names=(call.receiver, dispatch.sender, through),
            location=call.defined_at,
            record=call,
            count=len(same),
            owner=whose([walk.owner_of_call(call)]),
        )


def _reads_rows_of(call: ReceiverCall, dispatch: Dispatch, through: str) -> bool:
    """Whether it read the relation of the very row: filtered by the column of its model."""
    table = re.escape(_table_of(through))
    column = re.escape(last_name(dispatch.sender).lower())
    of_the_row = re.compile(rf"""["`]?{table}["`]?\.["`]?{column}_id["`]? (=|IN)""")
    return any(
        not query.is_write and _reads(query, _table_of(through)) and of_the_row.search(query.sql)
        for query in call.queries
    )


def _is_for_the_row(change: Step, saved: Step, through: str) -> bool:
    """Whether the relation of the saved row was changed once its receiver had looked."""
    dispatch = change.dispatch
    return (
        dispatch.sender == through
        and dispatch.started_at >= saved.dispatch.started_at + saved.dispatch.duration
        and isinstance(dispatch.kwargs.get("instance"), Summary)
        and dispatch.kwargs.get("instance") == saved.dispatch.kwargs.get("instance")
    )


def fields_left_out(walk: Walk) -> Iterator[Finding]:
    """Fields that receivers of ``pre_save`` changed and a save in part did not write.

    Not those that a receiver wrote itself by ``update()``, or a later save of the same row.
    """
    left = [
        (step.dispatch, fields)
        for step in walk.steps
        if step.dispatch.left_out
        and not is_sent_by_hand(step.dispatch)
        and (
            fields := tuple(
                each for each in step.dispatch.left_out if not _is_written(walk, step, each)
            )
        )
    ]
    for same in grouped(left, lambda each: (each[0].sender, each[1], each[0].sent_from)):
        dispatch, fields = same[0]
        calls = [call for call in dispatch.receiver_calls if call.outcome == "returned"]
        receivers = [call.receiver for call in calls]
        if not receivers:
            continue
        yield Finding(
            _kind_of_left_out(dispatch),
            {
                "receivers": Names.of(receivers),
                "fields": Names.of(fields),
                "instance": instance_of(dispatch),
                "sent_from": At(dispatch.sent_from),
            },
            names=(*receivers, dispatch.sender),
            location=dispatch.sent_from,
            record=dispatch,
            count=len(same),
            owner=whose(map(walk.owner_of_call, calls)),
        )


def _kind_of_left_out(dispatch: Dispatch) -> Kind:
    """By what it was that saved a part alone."""
    if dispatch.was_deferred:
        return catalogue.FIELD_DEFERRED
    is_of_defaults = last_name(dispatch.called or "") in ("update_or_create", "aupdate_or_create")
    return catalogue.FIELD_NOT_IN_DEFAULTS if is_of_defaults else catalogue.FIELD_LEFT_OUT


def _is_written(walk: Walk, step: Step, field: str) -> bool:
    """Whether the field has been written after all, as far as can be told."""
    dispatch = step.dispatch
    # The column of a relation; others are called as their field, unless somebody names them.
    names = {field, f"{field}_id"}
    column = "|".join(map(re.escape, names))
    table = re.escape(_table_of(dispatch.sender))
    update = re.compile(rf"""UPDATE ["`]?{table}["`]? SET (?:.*, )?["`]?({column})["`]? = """)
    return any(
        update.match(query.sql) for call in dispatch.receiver_calls for query in call.queries
    ) or any(
        each.signal == _PRE_SAVE
        and each.started_at > dispatch.started_at
        and each.kwargs.get("instance") == dispatch.kwargs.get("instance")
        and not is_sent_by_hand(each)
        and "update_fields" in each.kwargs
        and ((written := update_fields_of(each)) is None or not names.isdisjoint(written))
        for each in (step.dispatch for step in walk.steps)
    )


# What a statement reads


def _table_of(label: str) -> str:
    """As Django names a table, unless somebody names it."""
    return label.lower().replace(".", "_")


def _reads(query: Query, table: str) -> bool:
    return bool(re.search(rf"""\b(FROM|JOIN) ["`]?{re.escape(table)}["`]?(\s|$)""", query.sql))
