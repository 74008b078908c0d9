"""Turning a trace into rows: what to show, in which order, folded and marked.

Every output reads these rows, so that console, panel and exports cannot disagree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import merge
from itertools import groupby
from typing import Literal, TypeAlias, cast

from signal_tracer.records import Bypass, Dispatch, NearMiss, OnCommit, ReceiverCall, Skipped
from signal_tracer.trace import Trace
from signal_tracer.wording import format_duration as format_duration
from signal_tracer.wording import short_path as short_path

Kind = Literal["dispatch", "call", "near_miss", "unwatched", "bypass", "skipped", "on_commit"]
Record: TypeAlias = "Dispatch | ReceiverCall | NearMiss | Bypass | Skipped | OnCommit | str"
# What code does on its own, at the root or in a receiver call; all else belongs to one of these.
Deed: TypeAlias = "Dispatch | Bypass | OnCommit"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the outline, and the rows nested in it.

    A row stands for ``count`` equal records: a run of equal dispatches is one row, and so is
    everything below it. ``record`` is the first of them; ``started_at`` is its start, while
    ``duration``, ``own_time`` and the queries are the sum over all ``records``. Only receiver
    calls have an own time and queries of their own; every row has those of what it nests.
    """

    kind: Kind
    key: str
    depth: int
    title: str
    record: Record
    marks: tuple[str, ...]
    started_at: float
    duration: float
    own_time: float
    count: int
    rows: tuple[Row, ...]
    query_count: int = 0
    query_count_with_nested: int = 0
    query_time: float = 0.0
    query_time_with_nested: float = 0.0
    records: tuple[Record, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Counts:
    """How much a trace holds; from ``unheard`` to ``excluded`` it counts dispatches.

    ``not_run`` to ``near_misses`` count receivers that were not called in a dispatch: because
    an earlier one raised, because they were muted, because they are connected to another sender.
    ``discarded`` counts the ``on_commit()`` callbacks that a rollback threw away.
    """

    dispatches: int
    receiver_calls: int
    swallowed: int
    raised: int
    cancelled: int
    running: int
    slow: int
    not_run: int
    unheard: int
    omitted: int
    too_deep: int
    excluded: int
    faults: int
    muted: int = 0
    near_misses: int = 0
    queries: int = 0
    bypasses: int = 0
    rolled_back: int = 0
    handled: int = 0
    discarded: int = 0


@dataclass(slots=True)
class _Run:
    """Equal records that become one row, once the rows below it exist."""

    kind: Kind
    key: str
    depth: int
    records: Sequence[Record]
    started_at: float
    rows: list[Row] = field(default_factory=list)
    above: _Run | None = None


def outline(trace: Trace) -> tuple[Row, ...]:
    """The rows of what happened outside of any receiver call, in the order it happened.

    Dispatches that follow one another and differ only in their keyword arguments, responses,
    queries and times are folded into one row. All else keeps them apart, also further down:
    another line of code that sent them, another receiver, outcome or error message, a bypass
    or a rollback, and a receiver call that was slow where the other was not. Equal bypasses
    and equal callbacks that follow one another are folded as well.
    """
    contents = trace.contents
    shapes = _shapes(contents.dispatches, trace)

    def fold(deeds: Iterable[Deed]) -> list[list[Deed]]:
        return [list(run) for _, run in groupby(deeds, key=lambda each: _shape(each, shapes))]

    # Two loops in place of a recursion: receivers may nest deeper than Python lets us recurse.
    roots = [
        _Run(_kind(run[0]), str(number), 0, run, _start(run[0]))
        for number, run in enumerate(fold(_in_order(contents.dispatches, contents.bypasses)))
    ]
    runs: list[_Run] = []
    waiting = roots[::-1]
    while waiting:
        run = waiting.pop()
        runs.append(run)
        nested: list[tuple[Kind, Sequence[Record], float]] = []
        if run.kind == "dispatch":
            same = cast("Sequence[Dispatch]", run.records)
            # Equal dispatches made equal calls, so the nth calls of all belong to one row.
            for calls in zip(*(each.receiver_calls for each in same), strict=True):
                nested.append(("call", calls, calls[0].started_at))
            for misses in zip(*(each.near_misses for each in same), strict=True):
                nested.append(("near_miss", misses, run.started_at))
            for names in zip(*(each.unwatched or () for each in same), strict=True):
                nested.append(("unwatched", names, run.started_at))
        elif run.kind == "call":
            same_calls = cast("Sequence[ReceiverCall]", run.records)
            # Their nested runs are equal too: the nth runs of all are one row again.
            for runs_of_each in zip(*(fold(_deeds(call)) for call in same_calls), strict=True):
                inner = [each for run_of_one in runs_of_each for each in run_of_one]
                nested.append((_kind(inner[0]), inner, _start(inner[0])))
        elif run.kind == "bypass":
            same_bypasses = cast("Sequence[Bypass]", run.records)
            for skipped in zip(*(each.skipped for each in same_bypasses), strict=True):
                nested.append(("skipped", skipped, run.started_at))
        waiting += [
            _Run(kind, f"{run.key}-{number}", run.depth + 1, records, started_at, above=run)
            for number, (kind, records, started_at) in enumerate(nested)
        ][::-1]

    rows: list[Row] = []
    for run in reversed(runs):  # what is nested comes before what it is nested in
        (run.above.rows if run.above else rows).append(_row(run, trace))
    return tuple(reversed(rows))


def flatten(rows: Iterable[Row]) -> Iterator[Row]:
    """Every row, each before those nested in it."""
    waiting = list(rows)[::-1]
    while waiting:
        row = waiting.pop()
        yield row
        waiting.extend(reversed(row.rows))


def keys_by_record(rows: Iterable[Row]) -> dict[int, str]:
    """The key of the row that each record is shown in, by the record's ``id()``."""
    keys: dict[int, str] = {}
    for row in flatten(rows):
        for record in row.records:
            keys.setdefault(id(record), row.key)
    return keys


def count(trace: Trace) -> Counts:
    """How much ``trace`` holds, each dispatch and receiver call counted once."""
    contents = trace.contents
    dispatches = _all(contents.dispatches)
    calls = [call for dispatch in dispatches for call in dispatch.receiver_calls]
    outcomes = [call.outcome for call in calls]
    reasons = Counter(miss.reason for dispatch in dispatches for miss in dispatch.near_misses)
    for each in contents.unheard:
        for miss in each.near_misses:
            reasons[miss.reason] += each.count
    not_run, muted = reasons["not_run"] + reasons["refused"], reasons["muted"]
    return Counts(
        dispatches=len(dispatches),
        receiver_calls=len(calls),
        swallowed=outcomes.count("swallowed"),
        raised=outcomes.count("raised"),
        cancelled=outcomes.count("cancelled"),
        running=outcomes.count("running"),
        slow=sum(trace.is_slow(call) for call in calls),
        not_run=not_run,
        unheard=sum(each.count for each in contents.unheard),
        omitted=contents.omitted,
        too_deep=contents.too_deep,
        excluded=contents.excluded,
        faults=contents.faults,
        muted=muted,
        near_misses=reasons.total() - not_run - muted,
        queries=contents.other_queries + sum(call.query_count for call in calls),
        bypasses=len(contents.bypasses) + sum(len(call.bypasses) for call in calls),
        rolled_back=sum(bool(dispatch.rolled_back) for dispatch in dispatches),
        handled=sum(len(call.handled) + call.omitted_handled for call in calls),
        discarded=sum(each.outcome == "discarded" for call in calls for each in call.on_commit),
    )


def _all(dispatches: Iterable[Dispatch]) -> list[Dispatch]:
    """``dispatches`` and all that are nested in them, what is nested after what it is nested in."""
    found = list(dispatches)
    for dispatch in found:  # which grows as it is read
        for call in dispatch.receiver_calls:
            found += call.dispatches
    return found


def _deeds(call: ReceiverCall) -> Sequence[Deed]:
    """What the call did that has a row, in the order it did it."""
    if not (call.bypasses or call.on_commit):
        return call.dispatches
    return _in_order(call.dispatches, call.bypasses, call.on_commit)


def _in_order(*deeds: Sequence[Deed]) -> list[Deed]:
    """By their starts; those of one kind stay as they are recorded, whatever their starts."""
    return list(merge(*deeds, key=_start))


def _start(deed: Deed) -> float:
    return deed.registered_at if isinstance(deed, OnCommit) else deed.started_at


def _kind(deed: Deed) -> Kind:
    if isinstance(deed, Dispatch):
        return "dispatch"
    return "bypass" if isinstance(deed, Bypass) else "on_commit"


def _shapes(dispatches: Iterable[Dispatch], trace: Trace) -> dict[int, int]:
    """A number for each dispatch, by its ``id()``: equal numbers mean that two may be folded.

    Numbers, so that comparing two dispatches does not compare all that is below them again.
    """
    numbers: dict[object, int] = {}
    shapes: dict[int, int] = {}
    for dispatch in reversed(_all(dispatches)):
        shape = (
            dispatch.signal,
            dispatch.sender,
            dispatch.method,
            dispatch.sent_from,
            dispatch.error,
            tuple(dispatch.near_misses),
            None if dispatch.unwatched is None else tuple(dispatch.unwatched),
            dispatch.in_atomic,
            dispatch.rolled_back,
            dispatch.on_commit,
            tuple(
                (
                    call.receiver,
                    call.defined_at,
                    call.dispatch_uid,
                    call.is_async,
                    call.outcome,
                    call.error,
                    trace.is_slow(call),
                    tuple(call.handled),
                    tuple(_shape(deed, shapes) for deed in _deeds(call)),
                )
                for call in dispatch.receiver_calls
            ),
        )
        shapes[id(dispatch)] = numbers.setdefault(shape, len(numbers))
    return shapes


def _shape(deed: Deed, shapes: dict[int, int]) -> object:
    """What two deeds have in common if they may be folded."""
    if isinstance(deed, Dispatch):
        return shapes[id(deed)]
    if isinstance(deed, Bypass):
        return deed.method, deed.model, deed.options, deed.sent_from, tuple(deed.skipped)
    return deed.callback, deed.alias, deed.defined_at, deed.outcome


def _row(run: _Run, trace: Trace) -> Row:
    duration = own_time = query_time = 0.0
    query_count = 0
    for record in run.records:
        if isinstance(record, Dispatch | ReceiverCall | Bypass | OnCommit):
            duration += record.duration
        if isinstance(record, ReceiverCall):
            own_time += record.own_time
            query_count += record.query_count
            query_time += record.query_time
    return Row(
        kind=run.kind,
        key=run.key,
        depth=run.depth,
        title=_title(run.records[0]),
        record=run.records[0],
        marks=tuple(_marks(run.records[0], trace)),
        started_at=run.started_at,
        duration=duration,
        own_time=own_time,
        count=len(run.records),
        rows=tuple(reversed(run.rows)),
        query_count=query_count,
        query_count_with_nested=query_count + sum(row.query_count_with_nested for row in run.rows),
        query_time=query_time,
        query_time_with_nested=query_time + sum(row.query_time_with_nested for row in run.rows),
        records=tuple(run.records),
    )


def _title(record: Record) -> str:
    match record:
        case Dispatch():
            return f"{record.signal}.{record.method}"
        case Bypass():
            return f"{record.model}.{record.method}"
        case OnCommit():
            return record.callback
        case str():
            return record
    return record.receiver


def _marks(record: Record, trace: Trace) -> Iterator[str]:
    """What a reader must not miss, as words, the worst first."""
    match record:
        case Dispatch():
            if record.error:
                was_cancelled = record.error.type.endswith("CancelledError")
                yield "CANCELLED" if was_cancelled else "RAISED"
            if record.rolled_back:
                yield "ROLLED BACK"
            if record.unwatched == []:  # where receivers are known by name, each says so itself
                yield "NOT WATCHED"
        case str():
            yield "NOT WATCHED"
        case Bypass():
            yield "BYPASS"
        case OnCommit():
            if record.outcome != "ran":
                yield record.outcome.upper()
        case ReceiverCall():
            if record.outcome != "returned":
                yield record.outcome.upper()
            if record.handled:
                yield "HANDLED"
            if trace.is_slow(record):
                yield "SLOW"
        case Skipped():
            yield "SKIPPED"
        case NearMiss():
            fates = {"not_run": "NOT RUN", "refused": "NOT RUN", "muted": "MUTED"}
            yield fates.get(record.reason, "NEAR MISS")
    if isinstance(record, ReceiverCall | NearMiss | Skipped) and record.is_async:
        yield "ASYNC"
