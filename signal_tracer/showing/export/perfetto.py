"""A trace as Chrome trace events, which ui.perfetto.dev and other viewers open."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, TypeAlias

from signal_tracer.phrases import Count, Seconds
from signal_tracer.records import ReceiverCall, Recorded, show_value
from signal_tracer.showing.facts import Arguments, Fact, count, facts_of_trace, notices
from signal_tracer.showing.rows import Row, rows_of

Event: TypeAlias = "dict[str, Any]"

PROCESS = 1


def to_perfetto(trace: Recorded) -> dict[str, Any]:
    """What a ``.json`` file of the trace event format holds, times in microseconds.

    Slices on one track must nest, so what ran at the same time as its sibling, as concurrent
    async receivers do, is moved to a track of its own with all that it nests.
    """
    trace = trace.frozen()
    tracks = _Tracks()
    root = tracks.new()
    rows = rows_of(trace, is_folded=False)
    _place([row for row in rows if row.above is None], root, tracks, trace.slow_from)
    events = tracks.events
    names = [_metadata("process_name", trace.name or "signal_tracer", root)]
    names += [
        _metadata("thread_name", "signals" if number == root else f"concurrent {number}", number)
        for number in range(1, tracks.count + 1)
    ]
    return {
        "displayTimeUnit": "ms",
        "otherData": {
            "name": trace.name,
            "started_at": trace.started_at.isoformat(),
            **{name: number for name, number in asdict(count(trace)).items() if number},
            **_arguments(facts_of_trace(trace.contents)),
            "notices": [str(notice.words) for notice in notices(trace.contents)],
        },
        "traceEvents": [*names, *sorted(events, key=lambda event: event["ts"])],
    }


class _Tracks:
    def __init__(self) -> None:
        self.count = 0
        self.events: list[Event] = []

    def new(self) -> int:
        self.count += 1
        return self.count


def _place(roots: Sequence[Row], track: int, tracks: _Tracks, slow_after: float) -> None:
    """Give each row a track. A loop and no recursion: receivers may nest deeper than that."""
    waiting: list[tuple[Sequence[Row], int]] = [(roots, track)]
    while waiting:
        siblings, above = waiting.pop()
        last: dict[int, Row] = {}
        slices = [row for row in siblings if row.is_timed]
        for each in sorted(slices, key=lambda row: (row.started_at, -row.duration)):
            free = [number for number, before in last.items() if _may_follow(each, before)]
            here = free[0] if free else (tracks.new() if last else above)
            if here not in last or _end(each) >= _end(last[here]):
                last[here] = each
            tracks.events.append(_slice(each, here))
            tracks.events += [_instant(row, here) for row in each.rows if not row.is_timed]
            waiting.append(([*each.rows, *_queries(each, slow_after)], here))


def _may_follow(each: Row, before: Row) -> bool:
    """Whether both fit on one track: one after the other, or a query within its bypass."""
    if _end(before) <= each.started_at:
        return True
    is_within = before.kind == "bypass" and each.kind == "query"
    return is_within and _end(each) <= _end(before)


def _end(row: Row) -> float:
    return row.started_at + row.duration


def _queries(row: Row, slow_after: float) -> Iterator[Row]:
    if isinstance(row.record, ReceiverCall):
        for query in row.record.queries:
            yield Row.of([query], query.started_at, row, slow_after)


def _slice(row: Row, track: int) -> Event:
    return {
        "ph": "X",
        "cat": row.kind,
        "name": str(row.title),
        "ts": _microseconds(row.started_at),
        "dur": _microseconds(row.duration),
        "pid": PROCESS,
        "tid": track,
        "args": _about(row),
    }


def _instant(row: Row, track: int) -> Event:
    """What took no time: a receiver that was not called, a callback that was registered."""
    return {
        "ph": "i",
        "s": "t",
        "cat": row.kind,
        "name": ": ".join([*row.marks, str(row.title)]),
        "ts": _microseconds(row.started_at),
        "pid": PROCESS,
        "tid": track,
        "args": _about(row),
    }


def _about(row: Row) -> dict[str, object]:
    """The marks, the numbers and the facts of a row, and why it came about."""
    about: dict[str, object] = {}
    if row.marks:
        about["marks"] = ", ".join(row.marks)
    if row.why is not None:
        about["why"] = str(row.why)
    if row.kind == "call":
        about["own_time_ms"] = _milliseconds(row.own_time)
    return about | _arguments(row.facts)


def _arguments(facts: Iterable[Fact]) -> dict[str, object]:
    """Facts by their labels: numbers as numbers, all else as text."""
    told: dict[str, object] = {}
    for fact in facts:
        name = re.sub(r"\W+", "_", fact.label.lower()).strip("_")
        match fact.value:
            case None:
                continue
            case Arguments():
                told |= {
                    f"kwargs.{key}": show_value(value) for key, value in fact.value.values.items()
                }
            case Seconds(seconds):
                told[f"{name}_ms"] = _milliseconds(seconds)
            case int():
                told[name] = fact.value
            case Count(number, is_at_least=False):
                told[name] = number
            case _ if name in told:  # such as exceptions that a receiver caught itself
                told[name] = f"{told[name]}; {fact.value}"
            case _:
                told[name] = str(fact.value)
    return told


def _metadata(kind: str, name: str, track: int) -> Event:
    return {"ph": "M", "name": kind, "pid": PROCESS, "tid": track, "args": {"name": name}, "ts": 0}


def _microseconds(seconds: float) -> float:
    return round(seconds * 1_000_000, 3)


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
