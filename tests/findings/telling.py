"""Traces made by hand, and what is found in them in the words that a person reads."""

from __future__ import annotations

from datetime import UTC, datetime

from signal_tracer.records import Contents, Dispatch, Location, Query, ReceiverCall, Summary
from signal_tracer.trace import Trace

POST_SAVE = "django.db.models.signals.post_save"


def traced(*dispatches: Dispatch, ignore: tuple[str, ...] = (), **contents: object) -> Trace:
    return Trace(
        "test",
        started_at=datetime(2025, 1, 1, tzinfo=UTC),
        ignore_findings=ignore,
        contents=Contents(dispatches=list(dispatches), **contents),
    )


def told(trace: Trace) -> list[str]:
    """Level, slug and message of each finding, and how often if more than once."""
    return [
        f"{finding}{f' x {finding.count}' if finding.count > 1 else ''}"
        for finding in trace.findings()
    ]


def at(line: int, file: str = "shop/receivers.py", function: str = "index") -> Location:
    return Location(file, line, function)


def call(receiver: str = "shop.receivers.index", **changes: object) -> ReceiverCall:
    """A receiver call; its receiver stands in line 7."""
    return ReceiverCall(receiver, **{"defined_at": at(7), **changes})


def sent(*calls: ReceiverCall, signal: str = "shop.signals.paid", **changes: object) -> Dispatch:
    """A dispatch, sent in line 30 of the view."""
    defaults = {"sender": "shop.Order", "sent_from": at(30, "shop/views.py", "pay")}
    return Dispatch(signal, receiver_calls=list(calls), **{**defaults, **changes})


def saved(instance: str, *calls: ReceiverCall, **changes: object) -> Dispatch:
    """A ``post_save`` of ``instance``, such as ``shop.Order(pk=3)``."""
    kwargs = {"instance": Summary(instance), "created": False, "raw": False, "using": "default"}
    defaults = {"signal": POST_SAVE, "sender": instance.partition("(")[0], "kwargs": kwargs}
    return sent(*calls or [call()], **{**defaults, **changes})


def queries(sql: str, times: int = 1, **changes: object) -> list[Query]:
    return [Query(sql, **changes)] * times
