"""The queries of each receiver call, against a count that knows nothing of the tracer."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import connection
from django.db.models.signals import ModelSignal
from django.dispatch import Signal
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext

from scenarios.catalogue import SCENARIOS
from signal_tracer import Trace, trace_signals

SLUGS = [scenario.slug for scenario in SCENARIOS]
OURS = (".receivers", ".fragile", ".observer")


@dataclass
class Count:
    """The queries that ran around one receiver, and around those inside it."""

    receiver: str
    captured: Any = None
    inside: list[Count] = field(default_factory=list)

    def own(self) -> int:
        return len(self.captured) - sum(len(each.captured) for each in self.inside)


class Counting:
    """``CaptureQueriesContext`` around every receiver that is connected to any signal."""

    def __init__(self) -> None:
        self.counts: list[Count] = []
        self._open: list[Count] = []

    def begin(self, name: str) -> Count:
        count = Count(name, CaptureQueriesContext(connection))
        count.captured.__enter__()
        if self._open:
            self._open[-1].inside.append(count)
        self._open.append(count)
        self.counts.append(count)
        return count

    def end(self, count: Count) -> None:
        # Entered and left in the thread that has the connection.
        count.captured.__exit__(None, None, None)
        assert self._open.pop() is count

    def around(self, receiver: Any, one_at_a_time: asyncio.Lock) -> Any:
        name = f"{receiver.__module__}.{receiver.__qualname__}"
        if inspect.iscoroutinefunction(receiver):

            @functools.wraps(receiver)
            async def counted_async(*args: Any, **kwargs: Any) -> Any:
                # Receivers that ran at the same time could not be told apart from outside.
                async with one_at_a_time:
                    count = await sync_to_async(self.begin)(name)
                    try:
                        return await receiver(*args, **kwargs)
                    finally:
                        await sync_to_async(self.end)(count)

            return counted_async

        @functools.wraps(receiver)
        def counted(*args: Any, **kwargs: Any) -> Any:
            count = self.begin(name)
            try:
                return receiver(*args, **kwargs)
            finally:
                self.end(count)

        return counted


@contextmanager
def counting() -> Iterator[Counting]:
    """Counts around the receivers of the example site, which stay connected as they were."""
    found = Counting()
    # Other tests have classes of signals of their own, some of which refuse to be looked at.
    djangos = (Signal, ModelSignal)
    signals = [each for each in gc.get_objects() if type(each) in djangos]
    kept = [(signal, signal.receivers) for signal in signals]
    for signal, receivers in kept:
        lock = asyncio.Lock()
        signal.receivers = []
        for key, reference, *rest in receivers:
            is_weak = isinstance(reference, weakref.ReferenceType)
            receiver = reference() if is_weak else reference
            # The fragile one may be gone.
            is_ours = receiver is not None and receiver.__module__.endswith(OURS)
            wrapped = found.around(receiver, lock) if is_ours else reference
            signal.receivers.append((key, wrapped, *rest))
        signal.sender_receivers_cache.clear()
    try:
        yield found
    finally:
        for signal, receivers in kept:
            signal.receivers = receivers
            signal.sender_receivers_cache.clear()


def own_counts(trace: Trace) -> list[tuple[str, int]]:
    return sorted(
        (call.receiver, call.query_count)
        for call in trace.receiver_calls()
        if not call.receiver.startswith("django.")
    )


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("server", ["wsgi", "asgi"])
@pytest.mark.parametrize("slug", SLUGS)
def test_each_receiver_call_has_as_many_queries_as_django_counts_around_it(
    slug: str, server: str
) -> None:
    with (
        counting() as counted,
        trace_signals(slug) as trace,
        CaptureQueriesContext(connection) as everything,
    ):
        if server == "wsgi":
            response = Client().post(f"/{slug}/")
        else:
            response = async_to_sync(AsyncClient().post)(f"/{slug}/")

    assert response.status_code == 200
    assert own_counts(trace) == sorted((each.receiver, each.own()) for each in counted.counts)
    assert trace.query_count() == len(everything)
    assert trace.faults == 0


@pytest.mark.usefixtures("shop")
def test_the_counts_of_a_checkout_are_these() -> None:
    with trace_signals("checkout") as trace:
        Client().post("/checkout/")

    counts = {name.rpartition(".")[2]: count for name, count in own_counts(trace)}
    assert counts == {
        "give_points": 1,
        "charge_card": 1,
        "mark_order_paid": 1,
        "reserve_stock": 4,
        "show_availability": 0,
        "send_receipt": 1,
        "text_customer": 0,
    }
