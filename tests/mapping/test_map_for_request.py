"""The part of the map that a request can afford, and who of it ran in a trace."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest
from django.dispatch import Signal

from shop.models import Order, Product
from signal_tracer import trace_signals
from signal_tracer.mapping import map_for_request
from signal_tracer.showing.map_rows import count_calls
from signal_tracer.signal_map import SignalMap

packed = Signal()


def label(**kwargs: object) -> None:
    """Print the label."""


def weigh(**kwargs: object) -> None:
    """Put it on the scales."""


@pytest.fixture
def connected() -> Iterator[None]:
    packed.connect(label)
    packed.connect(weigh, sender=Order)
    packed.connect(weigh, sender=Product, dispatch_uid="scales")
    yield
    packed.receivers.clear()


def signal_of(found: SignalMap) -> Any:
    return next(each for each in found.signals if each.name.endswith(".packed"))


@pytest.mark.usefixtures("connected")
def test_its_names_and_places_are_those_of_a_trace() -> None:
    with trace_signals() as trace:
        packed.send(Order)
    [dispatch] = trace.dispatches
    signal = signal_of(map_for_request())

    assert signal.name == dispatch.signal
    assert [(each.receiver, each.defined_at) for each in signal.connections][:2] == [
        (call.receiver, call.defined_at) for call in dispatch.receiver_calls
    ]
    assert [(each.heard, each.dispatch_uid) for each in signal.connections] == [
        ("any sender", None),
        ("shop.Order", None),
        ("shop.Product", "scales"),
    ]


@pytest.mark.usefixtures("connected")
def test_what_ran_in_a_trace_is_counted_by_connection() -> None:
    with trace_signals() as trace:
        packed.send(Order)
        packed.send(Order)
        packed.send(Product)
    name = signal_of(map_for_request()).name

    assert count_calls(map_for_request(), trace) == {
        (name, 1): 3,
        (name, 2): 2,
        (name, 3): 1,
    }


@pytest.mark.usefixtures("connected")
def test_what_is_beyond_the_limit_is_counted() -> None:
    everything = map_for_request()
    total = sum(1 for _ in everything.walk())
    found = map_for_request(limit=5)

    assert everything.omitted == 0
    assert sum(1 for _ in found.walk()) == 5
    assert found.omitted == total - 5
    assert [each.name for each in found.signals] == [each.name for each in everything.signals]


def test_it_does_not_walk_over_every_object(monkeypatch: pytest.MonkeyPatch) -> None:
    def walked() -> None:
        raise AssertionError("the collector was asked")

    monkeypatch.setattr(gc, "get_objects", walked)

    assert map_for_request().is_complete is False
