"""Rows: what of a trace to show, in which order, folded and numbered.

Every output reads these rows, so that console, panel and exports cannot disagree. What a row says
of itself is in facts.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import merge
from itertools import groupby
from typing import TypeAlias, cast

from signal_tracer.phrases import Words
from signal_tracer.records import Bypass, Dispatch, OnCommit, ReceiverCall, Recorded
from signal_tracer.showing.facts import ABOUT, Fact, InPackage, Kind, Record, Title, every_dispatch

# What code does on its own, at the root or in a receiver call; all else belongs to one of these.
Action: TypeAlias = "Dispatch | Bypass | OnCommit"


@dataclass(slots=True)
class Row:
    """One line of what is shown, and the rows nested in it.

    A row stands for equal ``records``: a run of equal dispatches is one row, and so is everything
    below it. ``record`` is the first of them; ``started_at`` is its start, while ``duration``,
    ``own_time`` and the queries are the sum over all. Only receiver calls have an own time and
    queries of their own; every row has those of what it nests.
    """

    kind: Kind
    number: int
    """Its index among all rows."""
    depth: int
    title: Title
    marks: tuple[str, ...]
    started_at: float
    duration: float
    records: tuple[Record, ...]
    own_time: float = 0.0
    rows: list[Row] = field(default_factory=list)
    query_count: int = 0
    omitted_queries: int = 0
    query_count_with_nested: int = 0
    query_time: float = 0.0
    query_time_with_nested: float = 0.0
    above: Row | None = field(default=None, compare=False, repr=False)
    _facts: tuple[Fact, ...] | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(
        cls,
        records: Sequence[Record],
        started_at: float,
        above: Row | None,
        slow_after: float,
        number: int = 0,
    ) -> Row:
        """The row of equal ``records``, before anything is nested in it."""
        about = ABOUT[type(records[0])]
        row = cls(
            kind=about.kind,
            number=number,
            depth=above.depth + 1 if above else 0,
            title=about.title(records[0]),
            marks=tuple(about.marks(records[0], slow_after)),
            started_at=started_at,
            duration=sum((getattr(record, "duration", 0.0) for record in records), 0.0),
            records=tuple(records),
            above=above,
        )
        for record in records:
            for call in _calls_of(record):
                row.own_time += call.own_time
                row.query_count += call.query_count
                row.omitted_queries += call.omitted_queries
                row.query_time += call.query_time
        row.query_count_with_nested = row.query_count
        row.query_time_with_nested = row.query_time
        return row

    @property
    def record(self) -> Record:
        return self.records[0]

    @property
    def count(self) -> int:
        return len(self.records)

    @property
    def is_timed(self) -> bool:
        return ABOUT[type(self.record)].is_timed

    @property
    def facts(self) -> tuple[Fact, ...]:
        """What the row says of itself, in the order in which a reader wants it."""
        if self._facts is None:
            above = self.above.record if self.above else None
            dispatch = above if isinstance(above, Dispatch) else None
            self._facts = tuple(ABOUT[type(self.record)].facts(self.records, dispatch))
        return self._facts

    @property
    def why(self) -> Words | None:
        """In a few words how it came about, where its marks leave that open."""
        return ABOUT[type(self.record)].why(self.record)

    @property
    def sentence(self) -> Words | None:
        """What it means, and what follows from it; ``None`` where it explains itself."""
        return ABOUT[type(self.record)].sentence(self.record)

    @property
    def kinds(self) -> tuple[str, ...]:
        """What a selection may ask for: its kind, its marks, and whether it ran queries."""
        marks = tuple(mark.lower().replace(" ", "_") for mark in self.marks)
        return (self.kind, *marks, *(("queries",) if self.query_count else ()))

    def rows_above(self) -> list[Row]:
        """Those it is nested in, the outermost first."""
        found: list[Row] = []
        row = self.above
        while row:
            found.append(row)
            row = row.above
        return found[::-1]


def rows_of(trace: Recorded, *, is_folded: bool = True) -> list[Row]:
    """Every row in the order it happened, each before those nested in it.

    If folded, dispatches that follow one another and differ only in their keyword arguments,
    responses, queries, cache calls and times are one row. All else keeps them apart, also further
    down: another line of code that sent them, another receiver, outcome or error message, a bypass
    or a rollback, and a receiver call that was slow where the other was not. Equal bypasses and
    equal callbacks that follow one another are folded as well.
    """
    contents, slow_after = trace.contents, trace.slow_from
    shapes = _shapes(contents.dispatches, slow_after) if is_folded else {}

    def fold(actions: Iterable[Action]) -> Iterator[list[Action]]:
        if not is_folded:
            return ([each] for each in actions)
        return (list(run) for _, run in groupby(actions, key=lambda each: _shape(each, shapes)))

    rows: list[Row] = []
    # A loop in place of a recursion: receivers may nest deeper than Python lets us recurse.
    waiting: list[tuple[Sequence[Record], Row | None]] = []
    waiting += [(run, None) for run in fold(_in_order(contents.dispatches, contents.bypasses))]
    waiting.reverse()
    while waiting:
        records, above = waiting.pop()
        # What did not happen has no time of its own.
        started_at = _start(records[0], above.started_at if above else 0.0)
        row = Row.of(records, started_at, above, slow_after, number=len(rows))
        rows.append(row)
        if above:
            above.rows.append(row)
        waiting += [(nested, row) for nested in _nested(records, fold)][::-1]
    for row in reversed(rows):  # what is nested comes before what it is nested in
        if row.above:
            row.above.query_count_with_nested += row.query_count_with_nested
            row.above.query_time_with_nested += row.query_time_with_nested
    return rows


def select(rows: Iterable[Row], kind: str) -> list[Row]:
    """The rows of one kind, such as ``"swallowed"`` or ``"dispatch"``."""
    return [row for row in rows if kind in row.kinds]


def seconds_in_receivers(dispatches: Iterable[Dispatch]) -> float:
    """Seconds in which any receiver ran; async ones may run at the same time."""
    total = until = 0.0
    calls = [call for dispatch in dispatches for call in dispatch.receiver_calls]
    for call in sorted(calls, key=lambda each: each.started_at):
        end = call.started_at + call.duration
        total += max(0.0, end - max(until, call.started_at))
        until = max(until, end)
    return total


def _calls_of(record: Record) -> Sequence[ReceiverCall]:
    """The receiver calls that it stands for itself."""
    if isinstance(record, InPackage):
        return record.calls
    return (record,) if isinstance(record, ReceiverCall) else ()


def _nested(
    records: Sequence[Record], fold: Callable[[Iterable[Action]], Iterator[list[Action]]]
) -> Iterator[Sequence[Record]]:
    """What stands in the rows below the one of equal ``records``.

    Equal ones did the same in the same order, so the nth of each is one row again.
    """
    match records[0]:
        case Dispatch():
            same = cast("Sequence[Dispatch]", records)
            yield from zip(*(each.receiver_calls for each in same), strict=True)
            yield from zip(*(each.near_misses for each in same), strict=True)
            yield from zip(*(each.unwatched or () for each in same), strict=True)
        case ReceiverCall():
            same_calls = cast("Sequence[ReceiverCall]", records)
            for runs in zip(*(fold(_done_in(call)) for call in same_calls), strict=True):
                yield [each for run in runs for each in run]
        case Bypass():
            same_bypasses = cast("Sequence[Bypass]", records)
            yield from zip(*(each.skipped for each in same_bypasses), strict=True)


def _done_in(call: ReceiverCall) -> Sequence[Action]:
    """What the call did that has a row, in the order it did it."""
    if not (call.bypasses or call.on_commit):
        return call.dispatches
    return _in_order(call.dispatches, call.bypasses, call.on_commit)


def _in_order(*actions: Sequence[Action]) -> list[Action]:
    """By their starts; those of one kind stay as they are recorded, whatever their starts."""
    return list(merge(*actions, key=_start))


def _start(record: Record, otherwise: float = 0.0) -> float:
    if isinstance(record, OnCommit):
        return record.registered_at
    return cast("float", getattr(record, "started_at", otherwise))


def _shapes(dispatches: Iterable[Dispatch], slow_after: float) -> dict[int, int]:
    """A number for each dispatch, by its ``id()``: equal numbers mean that two may be folded.

    Numbers, so that comparing two dispatches does not compare all that is below them again.
    """
    numbers: dict[object, int] = {}
    shapes: dict[int, int] = {}
    for dispatch in reversed(every_dispatch(dispatches)):
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
                    call.own_time >= slow_after,
                    tuple(call.handled),
                    tuple(_shape(action, shapes) for action in _done_in(call)),
                )
                for call in dispatch.receiver_calls
            ),
        )
        shapes[id(dispatch)] = numbers.setdefault(shape, len(numbers))
    return shapes


def _shape(action: Action, shapes: dict[int, int]) -> object:
    """What two actions have in common if they may be folded."""
    if isinstance(action, Dispatch):
        return shapes[id(action)]
    if isinstance(action, Bypass):
        return action.operation, action.model, action.door, action.sent_from, tuple(action.skipped)
    return action.callback, action.alias, action.defined_at, action.outcome
