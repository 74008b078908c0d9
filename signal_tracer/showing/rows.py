"""Rows: what of a trace to show, in which order, folded and numbered.

Every output reads these rows, so that console, panel and exports cannot disagree. What a row says
of itself is in facts.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from signal_tracer.phrases import Words
from signal_tracer.records import Bypass, Dispatch, ReceiverCall, Recorded
from signal_tracer.showing.facts import (
    ABOUT,
    Fact,
    InPackage,
    Kind,
    Record,
    Title,
    mark_of,
    recursion,
)
from signal_tracer.showing.folding import Folding, Run, Unfolded, in_order, start_of


@dataclass(slots=True)
class Row:
    """One line of what is shown, and the rows nested in it.

    A row stands for equal ``records``: a run of equal dispatches is one row, and so is everything
    below it. ``record`` is the first of them; ``started_at`` is its start, while ``duration``,
    ``own_time`` and the queries are the sum over all. Only receiver calls have an own time and
    queries of their own; every row has those of what it nests.

    Equal rounds of a recursion are one row as well: of each, ``rounds`` records that follow one
    another are within each other. The outermost has the time of them all.
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
    rounds: int = 1
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
        rounds: int = 1,
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
            duration=sum((getattr(each, "duration", 0.0) for each in records[::rounds]), 0.0),
            records=tuple(records),
            rounds=rounds,
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
    def went_wrong(self) -> bool:
        return any(mark_of(mark).tone == "trouble" for mark in self.marks)

    @property
    def facts(self) -> tuple[Fact, ...]:
        """What the row says of itself, in the order in which a reader wants it."""
        if self._facts is None:
            above = self.above.record if self.above else None
            dispatch = above if isinstance(above, Dispatch) else None
            facts = ABOUT[type(self.record)].facts(self.records, dispatch)
            self._facts = (*self._recursion(), *facts)
        return self._facts

    def _recursion(self) -> Iterator[Fact]:
        if self.rounds > 1 and self.kind == "dispatch":
            yield recursion(self.rounds, self.count // self.rounds)

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


def rows_of(trace: Recorded, *, is_folded: bool = True, most: int | None = None) -> list[Row]:
    """Every row in the order it happened, each before those nested in it; or only the first few.

    If folded, dispatches that follow one another and differ only in their keyword arguments,
    responses, queries, cache calls and times are one row. All else keeps them apart, also further
    down: another line of code that sent them, another receiver, outcome or error message, a bypass
    or a rollback, and a receiver call that was slow where the other was not. Equal bypasses and
    equal callbacks that follow one another are folded as well.

    So are the rounds of a recursion: a dispatch in which a receiver sends an equal one, and so
    on. What the outer ones did besides, all of them did; what only the innermost did stands
    below.
    """
    contents, slow_after = trace.contents, trace.slow_from
    folding = Folding(contents.dispatches, slow_after) if is_folded else Unfolded()
    rows: list[Row] = []
    # A loop in place of a recursion: receivers may nest deeper than Python lets us recurse.
    waiting: list[tuple[Run, Row | None]] = []
    roots = folding.runs(in_order(contents.dispatches, contents.bypasses))
    waiting += [(run, None) for run in roots][::-1]
    while waiting and len(rows) != most:
        (records, rounds), above = waiting.pop()
        # What did not happen has no time of its own.
        started_at = start_of(records[0], above.started_at if above else 0.0)
        row = Row.of(records, started_at, above, slow_after, len(rows), rounds)
        rows.append(row)
        if above:
            above.rows.append(row)
        waiting += [(run, row) for run in _nested(row, folding)][::-1]
    for row in reversed(rows):  # what is nested comes before what it is nested in
        if row.above:
            row.above.query_count_with_nested += row.query_count_with_nested
            row.above.query_time_with_nested += row.query_time_with_nested
    return rows


def select(rows: Iterable[Row], kind: str) -> list[Row]:
    """The rows of one kind, such as ``"swallowed"`` or ``"dispatch"``."""
    return [row for row in rows if kind in row.kinds]


def with_those_above(rows: Iterable[Row], chosen: Iterable[Row]) -> list[Row]:
    """Of ``rows`` only the chosen ones, and those that they are nested in."""
    wanted = {each.number for row in chosen for each in (row, *row.rows_above())}
    kept: dict[int, Row] = {}
    for row in rows:
        if row.number in wanted:
            above = kept[row.above.number] if row.above else None
            copy = kept[row.number] = replace(row, rows=[], above=above)
            if above:
                above.rows.append(copy)
    return [*kept.values()]


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


def _nested(row: Row, folding: Folding) -> Iterator[Run]:
    """What stands in the rows below it.

    Equal records did the same in the same order, so the nth of each is one row again.
    """
    match row.record:
        case Dispatch():
            same = cast("Sequence[Dispatch]", row.records)
            for calls in zip(*(each.receiver_calls for each in same), strict=True):
                yield calls, row.rounds
            for misses in zip(*(each.near_misses for each in same), strict=True):
                yield misses, row.rounds
            for names in zip(*(each.unwatched or () for each in same), strict=True):
                yield names, row.rounds
        case ReceiverCall():
            yield from folding.done(cast("Sequence[ReceiverCall]", row.records), row.rounds)
        case Bypass():
            same_bypasses = cast("Sequence[Bypass]", row.records)
            for skipped in zip(*(each.skipped for each in same_bypasses), strict=True):
                yield skipped, 1
