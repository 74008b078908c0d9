"""Graphs made of traces by hand, in the words of a small shop."""

from __future__ import annotations

from datetime import UTC, datetime

from signal_tracer.records import (
    Contents,
    Dispatch,
    Location,
    Owner,
    Query,
    ReceiverCall,
    Unheard,
)
from signal_tracer.signal_graph import SignalGraph
from signal_tracer.trace import Trace

SAVE = "django.db.models.signals.post_save"
PRE_SAVE = "django.db.models.signals.pre_save"
PACKAGE = Owner("package", "auditlog")


def graph_of(*dispatches: Dispatch, name: str = "test_checkout", **contents: object) -> SignalGraph:
    """The graph of one trace."""
    graph = SignalGraph()
    add(graph, *dispatches, name=name, **contents)
    return graph


def add(graph: SignalGraph, *dispatches: Dispatch, name: str, **contents: object) -> None:
    owners = {"auditlog/receivers.py": PACKAGE}
    trace = Trace(
        name,
        started_at=datetime(2026, 3, 1, tzinfo=UTC),
        contents=Contents(dispatches=[*dispatches], owners=owners, **contents),  # type: ignore[arg-type]
    )
    graph.add(trace)


def saved(sender: str, *calls: ReceiverCall, signal: str = SAVE, **changes: object) -> Dispatch:
    return Dispatch(signal, sender, receiver_calls=[*calls], **changes)  # type: ignore[arg-type]


def sent(signal: str, sender: str, *calls: ReceiverCall) -> Dispatch:
    return Dispatch(signal, sender, receiver_calls=[*calls])


def call(
    receiver: str, *dispatches: Dispatch, writes: tuple[str, ...] = (), **changes: object
) -> ReceiverCall:
    app = receiver.partition(".")[0]
    return ReceiverCall(
        receiver,
        Location(f"{app}/receivers.py", 7, receiver.rpartition(".")[2]),
        dispatches=[*dispatches],
        queries=[Query(sql, is_write=True) for sql in writes],
        **changes,  # type: ignore[arg-type]
    )


def unheard(sender: str, signal: str = SAVE) -> Unheard:
    return Unheard(signal, sender, 1)
