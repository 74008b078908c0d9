"""Traces to be kept in files, as the tests of that want them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from signal_tracer import Trace
from signal_tracer.records import (
    Contents,
    Dispatch,
    Error,
    Location,
    ReceiverCall,
    Request,
    Task,
    TracebackLine,
)

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def a_trace(
    path: str = "/checkout/",
    *,
    number: int = 1,
    status: int = 200,
    duration: float = 0.0398,
    receivers: tuple[str, ...] = ("shop.receivers.send_receipt",),
    signal: str = "shop.signals.order_placed",
    swallowed: str = "",
) -> Trace:
    """``POST`` of ``path``, the ``number``-th of its day, in which one dispatch was heard.

    ``swallowed``: the receiver, one more, whose exception was.
    """
    calls = [ReceiverCall(each, started_at=0.001, duration=0.002) for each in receivers]
    if swallowed:
        place = Location("/project/shop/receivers.py", 7, "text_customer")
        error = Error("ValueError", "no number", (TracebackLine(place, "raise"),))
        calls.append(ReceiverCall(swallowed, place, outcome="swallowed", error=error))
    return Trace(
        f"POST {path}",
        started_at=NOON + timedelta(seconds=number),
        request=Request("POST", path, status),
        trace_id=f"{number:08x}deadbeef",
        contents=Contents(
            duration=duration,
            dispatches=[
                Dispatch(signal, "shop.Order", "send_robust", duration=0.01, receiver_calls=calls)
            ],
        ),
    )


def a_task(name: str = "shop.tasks.ship", state: str = "FAILURE", number: int = 1) -> Trace:
    return Trace(
        name,
        started_at=NOON + timedelta(seconds=number),
        task=Task(name, id="7", state=state),
        trace_id=f"{number:08x}cafecafe",
        contents=Contents(duration=0.5),
    )
