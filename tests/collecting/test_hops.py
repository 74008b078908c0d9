"""How many functions of ours one dispatch passes through: what a reader has to follow."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest
from django.dispatch import Signal, dispatcher
from observing import is_ours

from signal_tracer import trace_signals

# Django's own functions, with ours in the same frame.
SHARED = {"send", "send_robust", "_live_receivers"}


class Order:
    """Sends."""


def hear(**named: object) -> None:
    """Hears, and returns nothing."""


def passed(run: Callable[[], object]) -> list[str]:
    """The functions of ours that are entered while ``run`` runs, in order.

    A generator is entered once for each value. Comprehensions, which are functions of their own
    until Python 3.11, do not count.
    """
    found = []

    def note(frame: FrameType, event: str, _: object) -> None:
        file, name = Path(frame.f_code.co_filename), frame.f_code.co_name
        is_shared = str(file) == dispatcher.__file__ and name in SHARED
        if event == "call" and (is_ours(str(file)) or is_shared) and not name.startswith("<"):
            found.append(f"{file.stem}.{frame.f_code.co_qualname}")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(before)
    return found


@pytest.fixture
def paid() -> Signal:
    signal = Signal(use_caching=True)
    signal.connect(hear)
    return signal


@pytest.mark.parametrize("method", ["send", "send_robust"])
def test_one_dispatch_passes_through_no_more_than_twelve_functions(
    paid: Signal, method: str
) -> None:
    """Twelve is the most that one can follow. They are eleven, and one is entered twice."""
    with trace_signals() as trace:
        getattr(paid, method)(Order, order=1, total="9.90")  # The first one looks things up.
        found = passed(lambda: getattr(paid, method)(Order, order=2, total="9.90"))

    assert len(trace.receiver_calls()) == 2
    assert len({*found}) <= 11, f"{len({*found})} functions: {', '.join(found)}"
    assert len(found) <= 12, f"{len(found)} entered: {', '.join(found)}"


@pytest.mark.parametrize("method", ["send", "send_robust"])
def test_without_a_trace_a_dispatch_passes_through_the_two_that_stand_in_djangos_and_one_more(
    paid: Signal, method: str
) -> None:
    with trace_signals():
        getattr(paid, method)(Order, order=1)
    found = passed(lambda: getattr(paid, method)(Order, order=2))

    assert found == [
        f"dispatcher.Signal.{method}",
        "dispatcher.Signal._live_receivers",
        "receivers._hand_over",
    ]
