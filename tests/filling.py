"""What tests of hostile content share: records that hold a text in every field that takes any."""

import dataclasses
import typing
from datetime import UTC, datetime

from signal_tracer import records
from signal_tracer.records import Request, Summary
from signal_tracer.trace import Trace


def filled(kind, text, depth=0):
    """A record with ``text`` in every field that takes any."""
    hints = typing.get_type_hints(kind)
    return kind(
        **{each.name: value_for(hints[each.name], text, depth) for each in dataclasses.fields(kind)}
    )


def value_for(hint, text, depth):
    if hint is str:
        return text
    if hint is datetime:
        return datetime(2026, 1, 2, tzinfo=UTC)
    if hint in (int, float, bool):
        return hint(1)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return args[0]
    if origin in (list, tuple):
        if dataclasses.is_dataclass(args[0]) and depth > 3:
            return origin()
        return origin([value_for(args[0], text, depth + 1)])
    if origin is dict and dataclasses.is_dataclass(args[1]):
        return {text: filled(args[1], text, depth + 1)}
    if origin is dict:
        return {text: text, "summary": Summary(text)}
    if dataclasses.is_dataclass(hint):
        return filled(hint, text, depth + 1)
    options = [each for each in args if each is not type(None)]
    return value_for(options[0], text, depth)


OUTCOMES = ("returned", "raised", "swallowed", "cancelled", "running")


def everything(text):
    """A trace that holds every kind of record, and every outcome and reason."""
    contents = filled(records.Contents, text)
    dispatch = contents.dispatches[0]
    dispatch.unwatched = None
    calls = [filled(records.ReceiverCall, text, 2) for _ in OUTCOMES]
    for call, outcome in zip(calls, OUTCOMES, strict=True):
        call.outcome = outcome
    dispatch.receiver_calls = calls
    reasons = typing.get_args(records.Reason)
    dispatch.near_misses = [
        dataclasses.replace(filled(records.NearMiss, text), reason=reason) for reason in reasons
    ]
    contents.dispatches += [
        records.Dispatch(text, text, unwatched=[text], error=filled(records.Error, text)),
        filled(records.Dispatch, text, 3),
    ]
    return Trace(
        text,
        started_at=datetime(2026, 1, 2, tzinfo=UTC),
        request=Request(text, text, 200),
        contents=contents,
    )
