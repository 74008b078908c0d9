"""A trace as Chrome trace events, which ui.perfetto.dev and other viewers open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from signal_tracer.records import Bypass, Dispatch, OnCommit, Query, ReceiverCall, show_value
from signal_tracer.trace import Trace

Event: TypeAlias = "dict[str, Any]"
# What takes time, and so is a slice on a track.
Slice: TypeAlias = "Dispatch | ReceiverCall | Query | Bypass"

PROCESS = 1


def to_perfetto(trace: Trace) -> dict[str, Any]:
    """What a ``.json`` file of the trace event format holds, times in microseconds.

    Slices on one track must nest, so what ran at the same time as its sibling, as concurrent
    async receivers do, is moved to a track of its own with all that it nests.
    """
    tracks = _Tracks()
    root = tracks.new()
    _place([*trace.dispatches, *trace.bypasses], root, tracks)
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
            "omitted": trace.omitted,
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


def _place(roots: Sequence[Slice], track: int, tracks: _Tracks) -> None:
    """Give each slice a track. A loop and no recursion: receivers may nest deeper than that."""
    waiting: list[tuple[Sequence[Slice], int]] = [(roots, track)]
    while waiting:
        siblings, above = waiting.pop()
        last: dict[int, Slice] = {}
        for each in sorted(siblings, key=lambda slice_: (slice_.started_at, -slice_.duration)):
            free = [number for number, before in last.items() if _may_follow(each, before)]
            here = free[0] if free else (tracks.new() if last else above)
            if here not in last or _end(each) >= _end(last[here]):
                last[here] = each
            tracks.events.append(_event(each, here))
            tracks.events += _instants(each, here)
            waiting.append((_nested(each), here))


def _may_follow(each: Slice, before: Slice) -> bool:
    """Whether both fit on one track: one after the other, or a query within its bypass."""
    if _end(before) <= each.started_at:
        return True
    is_within = isinstance(before, Bypass) and isinstance(each, Query)
    return is_within and _end(each) <= _end(before)


def _end(each: Slice) -> float:
    return each.started_at + each.duration


def _nested(each: Slice) -> list[Slice]:
    match each:
        case Dispatch():
            return [*each.receiver_calls]
        case ReceiverCall():
            return [*each.dispatches, *each.queries, *each.bypasses]
    return []


def _event(each: Slice, track: int) -> Event:
    about: dict[str, object]
    match each:
        case Dispatch():
            category, name = "dispatch", f"{each.signal}.{each.method}"
            about = {
                "sender": each.sender,
                "sent_from": _text(each.sent_from),
                "error": _text(each.error),
                **{f"kwargs.{key}": show_value(value) for key, value in each.kwargs.items()},
            }
        case ReceiverCall():
            category, name = "receiver", each.receiver
            about = {
                "outcome": each.outcome,
                "defined_at": _text(each.defined_at),
                "dispatch_uid": each.dispatch_uid and show_value(each.dispatch_uid),
                "error": _text(each.error),
                "own_time_ms": round(each.own_time * 1000, 3),
            }
        case Query():
            category, name = "query", each.sql[:80]
            about = {"sql": each.sql, "database": each.alias}
        case Bypass():
            category, name = "bypass", f"{each.model}.{each.method}"
            about = {
                "rows": each.rows,
                "sent_from": _text(each.sent_from),
                "skipped": ", ".join(skipped.receiver for skipped in each.skipped),
            }
    return {
        "ph": "X",
        "cat": category,
        "name": name,
        "ts": _microseconds(each.started_at),
        "dur": _microseconds(each.duration),
        "pid": PROCESS,
        "tid": track,
        "args": {key: value for key, value in about.items() if value not in (None, "")},
    }


def _instants(each: Slice, track: int) -> list[Event]:
    """What took no time: receivers that were not called, callbacks that were registered."""
    marks: list[tuple[str, str, float]] = []
    if isinstance(each, Dispatch):
        marks = [
            (f"{miss.reason.replace('_', ' ')}: {miss.receiver}", "not called", each.started_at)
            for miss in each.near_misses
        ]
    elif isinstance(each, ReceiverCall):
        marks = [
            (f"on_commit: {callback.callback}", _commit(callback), callback.registered_at)
            for callback in each.on_commit
        ]
    return [
        {
            "ph": "i",
            "s": "t",
            "cat": category,
            "name": name,
            "ts": _microseconds(at),
            "pid": PROCESS,
            "tid": track,
        }
        for name, category, at in marks
    ]


def _commit(callback: OnCommit) -> str:
    return f"on_commit {callback.outcome}"


def _metadata(kind: str, name: str, track: int) -> Event:
    return {"ph": "M", "name": kind, "pid": PROCESS, "tid": track, "args": {"name": name}, "ts": 0}


def _microseconds(seconds: float) -> float:
    return round(seconds * 1_000_000, 3)


def _text(each: object) -> str | None:
    return None if each is None else str(each)
