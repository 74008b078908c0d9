"""What the tests of the signal map share: signals that are connected to and emptied again."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.db.models import signals as model_signals
from django.dispatch import Signal

from signal_tracer.describing.names import signal_name
from signal_tracer.mapping import read_map
from signal_tracer.signal_map import MappedSignal

MODEL_SIGNALS = [value for value in vars(model_signals).values() if issubclass(type(value), Signal)]


@pytest.fixture(autouse=True)
def model_signals_are_as_before() -> Iterator[None]:
    """What a test connects to Django's own signals is gone after it."""
    before = [(signal, list(signal.receivers)) for signal in MODEL_SIGNALS]
    yield
    for signal, receivers in before:
        signal.receivers = receivers
        signal.sender_receivers_cache.clear()


@pytest.fixture
def signal() -> Signal:
    """A signal of a test's own, which no module holds."""
    return Signal()


MapOf = Callable[[Signal], MappedSignal]


@pytest.fixture
def map_of() -> MapOf:
    """The signal as it stands in the map."""

    def find(signal: Signal) -> MappedSignal:
        name = signal_name(signal)
        return next(each for each in read_map().signals if each.name == name)

    return find
