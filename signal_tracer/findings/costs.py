"""The rules about what receivers cost: time, queries, writes, event loops."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from signal_tracer.findings.catalogue import (
    ASYNC_BRIDGE,
    ASYNC_BRIDGE_OF_OTHERS,
    QUERY_IN_EVERY_CALL,
    QUERY_IN_LOOP,
    SLOW_IN_QUERIES,
    SLOW_RECEIVER,
    WRITE_ELSEWHERE,
    WRITE_ELSEWHERE_IN_MIGRATE,
    WRITE_IN_LOOP,
    WRITE_OF_THE_ROW,
    WRITE_PER_DISPATCH,
)
from signal_tracer.findings.kinds import Finding, Kind
from signal_tracer.findings.walk import MIGRATIONS, Walk, grouped, is_sent_by_hand, last_name, whose
from signal_tracer.phrases import At, Count, Names, Phrase, Seconds, Sql
from signal_tracer.records import Dispatch, Query, ReceiverCall, Summary

# From here on the same query counts as a loop: in one call, or over all calls of a receiver.
POST_SAVE = "django.db.models.signals.post_save"
LOOP_IN_A_CALL = 5
LOOP_OVER_CALLS = 10
LONGEST_SQL = 160

# Not what opens and ends transactions and savepoints: that repeats with every atomic() block.
_OF_DATA = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "REPLACE", "MERGE")
_WRITES = re.compile(
    r"\s*(INSERT(?: OR IGNORE)? INTO|INSERT IGNORE INTO|REPLACE INTO|MERGE INTO|UPDATE|DELETE FROM)"
    r'\s+("[^"]+"|`[^`]+`|[^\s(]+)',
    re.IGNORECASE,
)


def slow_receivers(walk: Walk) -> Iterator[Finding]:
    slow = [call for call, step in walk.calls if walk.is_slow(call) and not walk.goes_round(step)]
    for same in grouped(slow, _who):
        call = max(same, key=lambda each: each.own_time)
        in_queries = call.query_time * 2 >= call.own_time > 0
        yield Finding(
            SLOW_IN_QUERIES if in_queries else SLOW_RECEIVER,
            {
                "receiver": call.receiver,
                "own_time": Seconds(call.own_time),
                "query_time": Seconds(call.query_time),
                "queries": Count(call.query_count, "%(number)s query", "%(number)s queries"),
                "limit": Seconds(walk.slow_after),
                "place": At(call.defined_at),
            },
            names=(call.receiver,),
            location=call.defined_at,
            record=call,
            count=len(same),
            owner=whose([walk.owner_of_call(call)]),
        )


def queries_in_loops(walk: Walk) -> Iterator[Finding]:
    for alike in grouped(_loops(walk), lambda each: (*_who(each.call), each.kind.advice)):
        loop = max(alike, key=lambda each: each.times)
        yield Finding(
            loop.kind,
            {
                "receiver": loop.call.receiver,
                "times": loop.times,
                "calls": loop.calls,
                "sql": Sql(short_sql(loop.query.sql), more=len(alike) - 1),
                "place": At(loop.call.defined_at),
            },
            names=(loop.call.receiver,),
            location=loop.call.defined_at,
            record=loop.call,
            count=1 if loop.kind is QUERY_IN_EVERY_CALL else loop.calls,
            owner=whose([walk.owner_of_call(loop.call)]),
        )


def _loops(walk: Walk) -> list[_Loop]:
    counted = [
        (call, query, times)
        for call, step in walk.calls
        if call.queries and not walk.goes_round(step)
        for query, times in _repeated(call)
    ]
    loops: list[_Loop] = []
    for same in grouped(counted, lambda each: (*_who(each[0]), each[1].alias, each[1].sql)):
        in_a_call = [each for each in same if each[2] >= LOOP_IN_A_CALL]
        total = sum(times for _, _, times in same)
        if not (in_a_call or total >= LOOP_OVER_CALLS) or not _is_of_data(same[0][1]):
            continue
        if in_a_call:
            call, query, times = max(in_a_call, key=lambda each: each[2])
            kind = WRITE_IN_LOOP if query.is_write else QUERY_IN_LOOP
            loops.append(_Loop(kind, call, query, times, len(in_a_call)))
        else:
            call, query, _ = same[0]
            loops.append(_Loop(QUERY_IN_EVERY_CALL, call, query, total, len(same)))
    return loops


@dataclass(frozen=True, slots=True)
class _Loop:
    """A statement that a receiver repeated; ``calls`` are those in which it did."""

    kind: Kind
    call: ReceiverCall
    query: Query
    times: int
    calls: int


def _repeated(call: ReceiverCall) -> Iterator[tuple[Query, int]]:
    first: dict[tuple[str, str], Query] = {}
    times: Counter[tuple[str, str]] = Counter()
    for query in call.queries:
        key = query.alias, query.sql
        first.setdefault(key, query)
        times[key] += 1
    for key, query in first.items():
        yield query, times[key]


def _is_of_data(query: Query) -> bool:
    return query.sql.lstrip("( \n").upper().startswith(_OF_DATA)


def short_sql(sql: str) -> str:
    """``sql`` on one line, without its list of columns if it is long."""
    sql = " ".join(sql.split())
    if len(sql) > LONGEST_SQL:
        head, from_, tail = sql.partition(" FROM ")
        if from_ and head.startswith("SELECT ") and "(" not in head:
            sql = f"SELECT ... FROM {tail}"
    return sql if len(sql) <= LONGEST_SQL else f"{sql[:LONGEST_SQL]}..."


def writes_in_receivers(walk: Walk) -> Iterator[Finding]:
    """Writes that hurt: of each of many dispatches, elsewhere, or of the row once more.

    Any other is what a receiver may well be there for, and stands in its row.
    """
    loops = {(_who(loop.call)) for loop in _loops(walk)}
    writing = [
        (call, step.dispatch, written)
        for call, step in walk.calls
        if not walk.goes_round(step)
        and (written := [query for query in call.queries if query.is_write])
    ]
    for same in grouped(writing, lambda each: (*_who(each[0]), each[1].sent_from)):
        call, dispatch, _ = same[0]
        kind, told = _why_it_hurts(same)
        if kind is None or (kind is WRITE_PER_DISPATCH and _who(call) in loops):
            continue
        yield Finding(
            kind,
            {
                "receiver": call.receiver,
                "times": len(same),
                "writes": Names.of(_written(query) for query in told),
                "aliases": Names.of(query.alias for query in told),
                "using": str(dispatch.kwargs.get("using")),
                "signal": last_name(dispatch.signal),
                "instance": _written_row(dispatch),
                "place": At(call.defined_at),
                "sent_from": At(dispatch.sent_from),
            },
            names=(call.receiver,),
            location=call.defined_at,
            record=call,
            count=1 if kind is WRITE_PER_DISPATCH else len(same),
            owner=whose([walk.owner_of_call(call)]),
        )


def _why_it_hurts(
    same: list[tuple[ReceiverCall, Dispatch, list[Query]]],
) -> tuple[Kind | None, list[Query]]:
    """The kind that fits, and the statements that it is about."""
    elsewhere = [
        query
        for _, dispatch, written in same
        for query in written
        if type(using := dispatch.kwargs.get("using")) is str and query.alias != using
    ]
    if elsewhere:
        is_of_migrate = same[0][1].signal in MIGRATIONS  # Which is about no row.
        return WRITE_ELSEWHERE_IN_MIGRATE if is_of_migrate else WRITE_ELSEWHERE, elsewhere
    again = [query for call, sent, written in same for query in _of_the_row(call, sent, written)]
    if again:
        return WRITE_OF_THE_ROW, again
    if len(same) >= LOOP_IN_A_CALL:
        return WRITE_PER_DISPATCH, [query for _, _, written in same for query in written]
    return None, []


def _of_the_row(call: ReceiverCall, dispatch: Dispatch, written: list[Query]) -> list[Query]:
    """Updates by the key, in the table of the model that was just saved.

    Not those of another ``save()``, which sends a signal and is a repeated save.
    """
    was_saved = dispatch.signal == POST_SAVE and not is_sent_by_hand(dispatch)
    if not was_saved or any(nested.sender == dispatch.sender for nested in call.dispatches):
        return []
    # As Django names a table, unless somebody names it.
    table = dispatch.sender.lower().replace(".", "_")
    by_key = re.compile(rf"""UPDATE ["`]?{re.escape(table)}["`]? SET .* WHERE [\w."`]+ = %s$""")
    return [query for query in written if by_key.fullmatch(query.sql)]


def _written_row(dispatch: Dispatch) -> str:
    instance = dispatch.kwargs.get("instance")
    return instance.text if isinstance(instance, Summary) else dispatch.sender


def _written(query: Query) -> str | Phrase:
    """``UPDATE shop_order``: what a statement did, and to which table."""
    found = _WRITES.match(query.sql)
    if found is None:
        return query.sql.split(None, 1)[0] if query.sql.strip() else Phrase("an empty statement")
    table = found[2].strip('"`')
    return f"{found[1].upper()} {table}"


def async_bridges(walk: Walk) -> Iterator[Finding]:
    bridged = [
        (call, step.dispatch)
        for call, step in walk.calls
        if call.is_async and step.dispatch.method in ("send", "send_robust")
    ]
    for same in grouped(
        bridged, lambda each: (*_who(each[0]), each[1].signal, each[1].method, each[1].sent_from)
    ):
        call, dispatch = same[0]
        yield Finding(
            ASYNC_BRIDGE if walk.is_sent_by_project(dispatch) else ASYNC_BRIDGE_OF_OTHERS,
            {
                "receiver": call.receiver,
                "signal": dispatch.signal,
                "method": dispatch.method,
                "async_method": f"a{dispatch.method}",
                "place": At(dispatch.sent_from),
            },
            names=(call.receiver, dispatch.signal),
            location=dispatch.sent_from,
            record=call,
            count=len(same),
            owner=whose([walk.owner_of_call(call), walk.owner_of(dispatch.sent_from)]),
        )


def _who(call: ReceiverCall) -> tuple[object, ...]:
    return call.receiver, call.defined_at
