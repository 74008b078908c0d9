"""The place for turning a trace into rows: what to show, in which order, folded and marked.

Every output reads these rows, so that console, panel and exports cannot disagree.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal, TypeAlias, cast

from signal_tracer.trace import Dispatch, NearMiss, ReceiverCall, Trace

Kind = Literal["dispatch", "call", "near_miss", "unwatched"]
Record: TypeAlias = "Dispatch | ReceiverCall | NearMiss | str"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the outline, and the rows nested in it.

    A row stands for ``count`` equal records: a run of equal dispatches is one row, and so is
    everything below it. ``record`` is the first of them; ``started_at`` is its start, while
    ``duration`` and ``own_time`` are the sum over all. Only receiver calls have an own time.
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


@dataclass(frozen=True, slots=True)
class Counts:
    """How much a trace holds; from ``unheard`` to ``excluded`` it counts dispatches."""

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
    """The rows of the root dispatches.

    Dispatches that follow one another and differ only in their keyword arguments, responses
    and times are folded into one row. All else keeps them apart, also further down: another
    line of code that sent them, another receiver, outcome or error message, and a receiver
    call that was slow where the other was not.
    """
    dispatches = trace.dispatches
    shapes = _shapes(dispatches, trace)

    def fold(siblings: Iterable[Dispatch]) -> list[list[Dispatch]]:
        return [list(run) for _, run in groupby(siblings, key=lambda each: shapes[id(each)])]

    # Two loops in place of a recursion: receivers may nest deeper than Python lets us recurse.
    roots = [
        _Run("dispatch", str(number), 0, run, run[0].started_at)
        for number, run in enumerate(fold(dispatches))
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
            for runs_of_each in zip(*(fold(call.dispatches) for call in same_calls), strict=True):
                inner = [each for run_of_one in runs_of_each for each in run_of_one]
                nested.append(("dispatch", inner, inner[0].started_at))
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


def count(trace: Trace) -> Counts:
    """How much ``trace`` holds, each dispatch and receiver call counted once."""
    contents = trace.contents
    dispatches = _all(contents.dispatches)
    calls = [call for dispatch in dispatches for call in dispatch.receiver_calls]
    outcomes = [call.outcome for call in calls]
    return Counts(
        dispatches=len(dispatches),
        receiver_calls=len(calls),
        swallowed=outcomes.count("swallowed"),
        raised=outcomes.count("raised"),
        cancelled=outcomes.count("cancelled"),
        running=outcomes.count("running"),
        slow=sum(trace.is_slow(call) for call in calls),
        not_run=sum(len(dispatch.near_misses) for dispatch in dispatches),
        unheard=sum(each.count for each in contents.unheard),
        omitted=contents.omitted,
        too_deep=contents.too_deep,
        excluded=contents.excluded,
        faults=contents.faults,
    )


def format_duration(seconds: float) -> str:
    """Three digits and a unit: ``85 µs``, ``12.3 ms``, ``1.24 s``."""
    rounded = float(f"{seconds:.3g}")  # first, so that 999.9 µs becomes 1.00 ms
    if rounded < 0.001:
        return f"{rounded * 1_000_000:.0f} µs"
    amount, unit = (rounded * 1000, "ms") if rounded < 1 else (rounded, "s")
    decimals = 2 if amount < 10 else 1 if amount < 100 else 0
    return f"{amount:.{decimals}f} {unit}"


def short_path(file: str) -> str:
    """``file`` as a person would name it: within its installed package or the current directory."""
    installed = re.split(r"[/\\](?:site|dist)-packages[/\\]", file)
    if len(installed) > 1:
        return installed[-1]
    try:
        here = os.path.join(os.getcwd(), "")
    except OSError:  # the current directory was removed
        return file
    return file.removeprefix(here)


def _all(dispatches: Iterable[Dispatch]) -> list[Dispatch]:
    """``dispatches`` and all that are nested in them, what is nested after what it is nested in."""
    found = list(dispatches)
    for dispatch in found:  # which grows as it is read
        for call in dispatch.receiver_calls:
            found += call.dispatches
    return found


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
            tuple(
                (
                    call.receiver,
                    call.defined_at,
                    call.dispatch_uid,
                    call.is_async,
                    call.outcome,
                    call.error,
                    trace.is_slow(call),
                    tuple(shapes[id(nested)] for nested in call.dispatches),
                )
                for call in dispatch.receiver_calls
            ),
        )
        shapes[id(dispatch)] = numbers.setdefault(shape, len(numbers))
    return shapes


def _row(run: _Run, trace: Trace) -> Row:
    duration = own_time = 0.0
    for record in run.records:
        if isinstance(record, Dispatch | ReceiverCall):
            duration += record.duration
        if isinstance(record, ReceiverCall):
            own_time += record.own_time
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
    )


def _title(record: Record) -> str:
    if isinstance(record, Dispatch):
        return f"{record.signal}.{record.method}"
    return record if isinstance(record, str) else record.receiver


def _marks(record: Record, trace: Trace) -> Iterator[str]:
    """What a reader must not miss, as words, the worst first."""
    if isinstance(record, Dispatch):
        if record.error:
            was_cancelled = record.error.type.endswith("CancelledError")
            yield "CANCELLED" if was_cancelled else "RAISED"
        if record.unwatched == []:  # where receivers are known by name, each says so itself
            yield "NOT WATCHED"
        return
    if isinstance(record, str):
        yield "NOT WATCHED"
        return
    if isinstance(record, NearMiss):
        yield record.reason.replace("_", " ").upper()
    else:
        if record.outcome != "returned":
            yield record.outcome.upper()
        if trace.is_slow(record):
            yield "SLOW"
    if record.is_async:
        yield "ASYNC"
