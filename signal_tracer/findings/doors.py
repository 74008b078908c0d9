"""The rules about rows that changed by other doors than those that send signals.

By what a deletion does to other rows, by the database, by rows between two models, by a delete()
that does not delete, by SQL; bulk operations are among the absences.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from signal_tracer.findings.absences import (
    is_awaited,
    rows_of,
    what_was_bypassed,
    who_was_left_out,
    with_what_was_sent,
)
from signal_tracer.findings.catalogue import (
    DATABASE_CASCADE,
    DATABASE_UPDATE,
    FAST_DELETE_LOST,
    M2M_BY_HAND,
    M2M_WITH_OBJECT,
    ONCE_AN_APP,
    SET_ON_DELETE,
    SOFT_DELETE,
    SQL_BYPASS,
)
from signal_tracer.findings.kinds import Finding, Kind
from signal_tracer.findings.walk import (
    MADE_FOR_EACH_APP,
    MIGRATIONS,
    Walk,
    grouped,
    last_name,
    whose,
)
from signal_tracer.phrases import At, Count, Names
from signal_tracer.records import Bypass, Dispatch, Listening, Owner, ReceiverCall, is_djangos


def other_doors(walk: Walk) -> Iterator[Finding]:
    found = [
        (bypass, wanted)
        for bypass, sent in with_what_was_sent(walk)
        if bypass.door != "bulk" and bypass.rows != 0
        if (
            wanted := [
                each
                for each in who_was_left_out(walk, bypass, sent)
                if is_awaited(walk, bypass, each)
            ]
        )
    ]
    for same in grouped(found, lambda each: what_was_bypassed(*each)):
        bypass, skipped = same[0]
        kind = _kind(bypass)
        left = walk.not_ignored(kind, (each.receiver for each in skipped))
        skipped = [each for each in skipped if each.receiver in left]
        receivers = [each.receiver for each in skipped]
        yield Finding(
            kind,
            {
                "model": bypass.model,
                "operation": f"{bypass.model}{replace(bypass, origin=None).operation}",
                "method": bypass.method,
                "field": f"{bypass.model}.{bypass.field}",
                "origin": bypass.origin or bypass.model,
                "rows": rows_of([each for each, _ in same]),
                "signals": Names.of(last_name(each.signal) for each in skipped),
                "receivers": Names.of(receivers),
                "place": At(bypass.sent_from),
            },
            names=tuple(dict.fromkeys([bypass.model, *receivers])),
            location=bypass.sent_from,
            record=bypass,
            count=len(same),
        )


def _kind(bypass: Bypass) -> Kind:
    match bypass.door:
        case "database":
            return DATABASE_CASCADE if bypass.method == "DB_CASCADE" else DATABASE_UPDATE
        case "many_to_many":
            return M2M_BY_HAND if bypass.origin is None else M2M_WITH_OBJECT
        case "soft_delete":
            return SOFT_DELETE
        case "sql":
            return SQL_BYPASS
        case _:
            return SET_ON_DELETE


def lost_fast_deletes(walk: Walk) -> Iterator[Finding]:
    """Rows that were loaded and deleted one by one because of receivers of every model."""
    for same in grouped(
        walk.contents.slow_deletions, lambda each: (each.model, each.receivers, each.sent_from)
    ):
        first = same[0]
        left = walk.not_ignored(FAST_DELETE_LOST, (each.receiver for each in first.receivers))
        named = [
            each
            for each in first.receivers
            if each.receiver in left and not is_djangos(each.receiver)
        ]
        if not named:
            continue
        yield Finding(
            FAST_DELETE_LOST,
            {
                "receivers": Names.of(each.receiver for each in named),
                "rows": Count(sum(each.rows for each in same), "%(number)s row", "%(number)s rows"),
                "model": first.model,
                "place": At(first.sent_from),
                "defined": Names.of(At(each.defined_at) for each in named),
            },
            names=tuple(dict.fromkeys([*(each.receiver for each in named), first.model])),
            location=named[0].defined_at,
            count=len(same),
            owner=whose(_owner(walk, each) for each in named),
        )


def _owner(walk: Walk, listening: Listening) -> Owner | None:
    return walk.owner_of(listening.defined_at, listening.receiver)


def once_an_app(walk: Walk) -> Iterator[Finding]:
    """Receivers of post_migrate that did the same for app after app.

    Not of those that work with what Django makes for each app: they need the last one.
    """
    heard = [
        (call, step.dispatch) for call, step in walk.calls if step.dispatch.signal in MIGRATIONS
    ]
    for same in grouped(
        heard,
        lambda each: (
            *(each[0].receiver, each[0].defined_at, each[1].signal),
            each[1].kwargs.get("using"),
        ),
    ):
        call, dispatch = same[0]
        apps = {dispatch.sender for _, dispatch in same}
        if len(apps) < 2 or not _did_the_same(same):
            continue
        yield Finding(
            ONCE_AN_APP,
            {
                "receiver": call.receiver,
                "signal": last_name(dispatch.signal),
                "times": len(same),
                "queries": Count(call.query_count, "%(number)s query", "%(number)s queries"),
                "place": At(call.defined_at),
            },
            names=(call.receiver, dispatch.signal),
            location=call.defined_at,
            record=call,
            owner=whose([walk.owner_of_call(call)]),
        )


def _did_the_same(heard: list[tuple[ReceiverCall, Dispatch]]) -> bool:
    """The same statements for each of the apps: nothing in them was about the app."""
    statements = {tuple(query.sql for query in call.queries) for call, _ in heard}
    needs_all = any(MADE_FOR_EACH_APP.search(sql) for same in statements for sql in same)
    return len(statements) == 1 and statements != {()} and not needs_all
