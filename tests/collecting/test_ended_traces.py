"""What goes on in the context of a trace that has ended keeps alive no more than a few objects."""

import contextvars
import gc
from collections.abc import Iterator
from typing import Any

import pytest
from django.dispatch import Signal

from signal_tracer import trace_signals
from signal_tracer.collecting.nodes import CallRecord, DispatchRecord
from signal_tracer.collecting.recorder import Recorder

done, nested, around = Signal(), Signal(), Signal()


class OwnLoop(Signal):
    def send(self, sender: Any, **named: Any) -> Any:
        kept.append(contextvars.copy_context())  # As a task or thread that is started here has it.
        return super().send(sender, **named)


own = OwnLoop()
kept: list[contextvars.Context] = []


def listen(sender: Any, **named: Any) -> None: ...


def keep_context(sender: Any, **named: Any) -> None:
    for number in range(50):
        nested.send(None, number=number)
    kept.append(contextvars.copy_context())
    for number in range(50):
        nested.send(None, number=number)


@pytest.fixture(autouse=True)
def connected() -> Iterator[None]:
    done.connect(keep_context)
    nested.connect(listen)
    own.connect(keep_context)
    yield
    for signal in (done, nested, own):
        signal.receivers = []
    kept.clear()


def alive() -> tuple[int, int, int]:
    """Recorders, dispatches and receiver calls that are in memory."""
    gc.collect()
    kinds = [type(each) for each in gc.get_objects()]
    return kinds.count(Recorder), kinds.count(DispatchRecord), kinds.count(CallRecord)


def outside_of_any_receiver() -> None:
    kept.append(contextvars.copy_context())
    for number in range(100):
        nested.send(None, number=number)


def in_a_receiver() -> None:
    done.send(None)


def in_a_trace_inside_a_receiver() -> None:
    def trace(sender: Any, **named: Any) -> None:
        with trace_signals():
            in_a_receiver()

    around.connect(trace)
    around.send(None)
    around.disconnect(trace)


def in_a_send_of_the_signals_own_class() -> None:
    own.send(None)


@pytest.mark.parametrize(
    ("work", "most_dispatches", "most_calls"),
    [
        (outside_of_any_receiver, 0, 0),
        (in_a_receiver, 0, 1),
        (in_a_trace_inside_a_receiver, 0, 2),
        (in_a_send_of_the_signals_own_class, 1, 2),
    ],
)
def test_a_context_that_outlives_its_trace_keeps_none_of_what_was_recorded(
    work: Any, most_dispatches: int, most_calls: int
) -> None:
    before = alive()
    with trace_signals() as trace:
        work()
    assert trace.receiver_calls()
    del trace
    recorders, dispatches, calls = (now - then for now, then in zip(alive(), before, strict=True))

    assert kept
    assert recorders == 0
    assert dispatches <= most_dispatches
    assert calls <= most_calls
    for context in kept.copy():
        context.run(done.send, None)  # And what it sends is nobody's.
