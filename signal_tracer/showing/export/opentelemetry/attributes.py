"""Attributes: what a row of a trace says of itself as those of a span, its name and its events.

Of what the traced code was given and returned nothing is said: no keyword arguments, no responses
and no SQL leave the machine. docs/opentelemetry.md has them all in a table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TypeAlias

from signal_tracer.records import (
    Bypass,
    Contents,
    Dispatch,
    Errand,
    Error,
    HandledException,
    Location,
    NearMiss,
    OnCommit,
    ReceiverCall,
    Recorded,
    Value,
    show_value,
)
from signal_tracer.showing.facts import count, is_of_a_receiver
from signal_tracer.showing.rows import Row
from signal_tracer.wording import sum_of_rows

Attribute: TypeAlias = "str | bool | int | float | Sequence[str]"
# An attribute that is None, or an empty list, is left out.
Told: TypeAlias = "Iterator[tuple[str, Attribute | None]]"

PREFIX = "django.signal."
KINDS = {"dispatch": "dispatch", "call": "receiver_call", "bypass": "bypass"}


@dataclass(frozen=True, slots=True)
class Event:
    """What took no time of its own; ``at`` is in seconds since the trace began."""

    name: str
    at: float
    attributes: dict[str, Attribute]


def name_of(row: Row) -> str:
    """What the span is called, alike for all that are alike: no ids, no values."""
    record = row.record
    if not isinstance(record, Dispatch):
        return text(str(row.title))
    signal = record.signal.rpartition(".")[2] or record.signal
    is_name = re.fullmatch(r"[\w.]+", record.sender) and record.sender != "None"
    return text(f"{signal} {record.sender}" if is_name else signal)


def attributes_of(row: Row, contents: Contents) -> dict[str, Attribute]:
    """Those of the span of a dispatch, a receiver call or a bypass."""
    return kept(_told_by(row, contents))


def _told_by(row: Row, contents: Contents) -> Told:
    yield "kind", KINDS[row.kind]
    if row.count > 1:
        yield "count", row.count
        yield "duration", row.duration
        yield "rounds", row.rounds if row.rounds > 1 else None
    match row.record:
        case Dispatch():
            yield from _of_dispatch(row, row.record)
        case ReceiverCall():
            yield from _of_call(row, row.record, contents)
        case Bypass():
            yield from _of_bypass(row, row.record)


def _of_dispatch(row: Row, record: Dispatch) -> Told:
    yield "name", record.signal
    yield "sender", record.sender
    yield "method", record.method
    yield from _code(record.sent_from)
    yield "in_atomic", record.in_atomic
    yield "rolled_back", record.rolled_back
    yield "sent_by_on_commit", record.on_commit
    yield "changed_and_not_saved", record.left_out
    if record.unwatched is not None:
        yield "is_watched", False
        yield "receivers", record.unwatched
    if record.error is not None:
        yield "error.type", record.error.type


def _of_call(row: Row, record: ReceiverCall, contents: Contents) -> Told:
    yield "receiver", record.receiver
    yield "dispatch_uid", _spelled(record.dispatch_uid)
    yield "outcome", record.outcome
    yield "is_async", record.is_async or None
    yield from _code(record.defined_at, record.receiver)
    owner = contents.owner_of(record.defined_at, record.receiver)
    yield "package", None if owner is None else owner.name or None
    above = row.above.record if row.above else None
    if isinstance(above, Dispatch):
        yield "name", above.signal
        yield "sender", above.sender
    yield "own_time", row.own_time
    yield "is_slow", "SLOW" in row.marks or None
    yield "query.count", row.query_count or None
    yield "query.duration", row.query_time or None
    calls = [each for each in row.records if isinstance(each, ReceiverCall)]
    asked = [each for call in calls for each in call.cache_calls]
    for name in ("gets", "hits", "sets", "deletes"):
        yield f"cache.{name}", sum(getattr(each, name) for each in asked) or None
    if record.error is not None:
        yield "error.type", record.error.type


def _of_bypass(row: Row, record: Bypass) -> Told:
    yield "bypass.model", record.model
    yield "bypass.method", record.method
    yield "bypass.door", record.door
    yield "bypass.field", record.field
    yield "bypass.origin", record.origin
    yield "bypass.rows", sum_of_rows(each for each in row.records if isinstance(each, Bypass))[0]
    yield "bypass.skipped", [*dict.fromkeys(each.receiver for each in record.skipped)]
    yield from _code(record.sent_from)


def attributes_of_trace(trace: Recorded) -> dict[str, Attribute]:
    """How much the whole trace holds, and by what else it goes."""
    return kept(_told_by_trace(trace))


def _told_by_trace(trace: Recorded) -> Told:
    yield "trace.name", trace.name or None
    for name, number in asdict(count(trace)).items():
        yield f"trace.{name}", number or None


def error_of(row: Row) -> Error | None:
    """The exception with which a dispatch ended, or a receiver call."""
    record = row.record
    return record.error if isinstance(record, Dispatch | ReceiverCall) else None


def events_of(row: Row) -> Iterator[Event]:
    """What happened in it that took no time of its own, and its exception."""
    for below in row.rows:
        match below.record:
            case NearMiss():
                yield Event(f"{PREFIX}near_miss", row.started_at, kept(_of_near_miss(below.record)))
            case OnCommit():
                told = kept(_of_callback(below, below.record))
                yield Event(f"{PREFIX}on_commit", below.started_at, told)
    record, end = row.record, end_of(row)
    if isinstance(record, ReceiverCall):
        for errand in record.errands:
            yield Event(f"{PREFIX}errand", errand.started_at, kept(_of_errand(errand)))
        for handled in record.handled:
            yield Event(f"{PREFIX}handled_exception", end, kept(_of_handled(handled)))
    error = error_of(row)
    if error is not None and not (isinstance(record, Dispatch) and is_of_a_receiver(record)):
        yield Event("exception", end, kept(_of_error(row, error)))


def end_of(row: Row) -> float:
    """Of the last of those it stands for, in seconds since the trace began."""
    return max(each.started_at + each.duration for each in row.records)  # type: ignore[union-attr]


def _of_near_miss(record: NearMiss) -> Told:
    yield "receiver", record.receiver
    yield "reason", record.reason
    yield "connected_to", record.connected_to
    yield "dispatch_uid", _spelled(record.dispatch_uid)
    yield from _code(record.defined_at, record.receiver)


def _of_callback(row: Row, record: OnCommit) -> Told:
    yield "callback", record.callback
    yield "outcome", record.outcome
    yield "database", record.alias
    yield "count", row.count if row.count > 1 else None
    yield from _code(record.defined_at, record.callback)


def _of_errand(record: Errand) -> Told:
    yield "errand.kind", record.kind
    yield "errand.target", record.target or None
    yield from _code(record.sent_from)


def _of_handled(record: HandledException) -> Told:
    yield "exception.type", record.type
    yield "exception.message", record.message
    yield from _code(record.raised_at)


def _of_error(row: Row, error: Error) -> Told:
    yield "exception.type", error.type
    yield "exception.message", error.message
    yield "exception.stacktrace", _stacktrace(error)
    if isinstance(row.record, ReceiverCall):
        yield "outcome", row.record.outcome
    yield "count", row.count if row.count > 1 else None


def _stacktrace(error: Error) -> str | None:
    """As Python spells one, of what the trace has of it: secrets are masked."""
    if not error.traceback:
        return None
    lines = ["Traceback (most recent call last):"]
    for each in error.traceback:
        at = each.location
        lines.append(f'  File "{at.file}", line {at.line}, in {at.function}')
        if each.code:
            lines.append(f"    {each.code}")
    lines.append(f"{error.type}: {error.message}" if error.message else error.type)
    return "\n".join(lines)


def _code(location: Location | None, name: str | None = None) -> Told:
    """Of the semantic conventions: where it is, and the function, by its dotted name if known."""
    yield "code.function.name", name or (location.function if location else None)
    if location is not None:
        yield "code.file.path", location.file
        yield "code.line.number", location.line


def _spelled(value: Value) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return show_value(value)


# Of the semantic conventions; all others are ours.
_COMMON = ("code.", "exception.", "error.")


def kept(told: Iterable[tuple[str, Attribute | None]]) -> dict[str, Attribute]:
    """By their whole names, without what is not known and what there is none of."""
    return {
        name if name.startswith(_COMMON) else PREFIX + name: _clean(value)
        for name, value in told
        if value is not None and value != () and value != []
    }


def _clean(value: Attribute) -> Attribute:
    if isinstance(value, str):
        return text(value)
    return value if isinstance(value, bool | int | float) else [text(each) for each in value]


def text(of: str) -> str:
    """Without halves of characters, for which an exporter would drop whatever it was to send."""
    return of if of.isascii() else of.encode("utf-8", "backslashreplace").decode("utf-8")
