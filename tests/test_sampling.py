"""SAMPLE_RATE: which requests and decorated functions are traced, and that nothing else changes."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextvars import copy_context
from typing import Any

import pytest
from django.core.exceptions import MiddlewareNotUsed
from django.core.management import call_command
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client, RequestFactory
from django.urls import path

from signal_tracer import Trace, sampling, trace_signals
from signal_tracer.collecting import nodes
from signal_tracer.middleware import SignalTracerMiddleware

HERE = __name__
DJANGOS_SEND = vars(Signal)["send"]

paid = Signal()
traces: list[Trace] = []
asked: list[str] = []


def keep(trace: Trace) -> None:
    traces.append(trace)


def keep_of_my_own(trace: Trace) -> None:
    asked.append(trace.name)


def ask(request: HttpRequest) -> bool:
    asked.append(request.path)
    return True


def receipt(sender: object, **kwargs: object) -> None: ...


def pay(request: HttpRequest) -> HttpResponse:
    paid.send("the shop")
    asked.append(f"unsampled: {sampling.is_unsampled()}")
    return HttpResponse("paid")


async def pay_soon(request: HttpRequest) -> HttpResponse:
    await paid.asend("the shop")
    asked.append(f"unsampled: {sampling.is_unsampled()}")
    return HttpResponse("paid")


@trace_signals("nightly import")
def import_orders() -> None:
    paid.send("the shop")


@trace_signals("soon")
async def fetch_orders() -> None:
    await paid.asend("the shop")


@trace_signals("outer")
def import_all() -> None:
    import_orders()
    import_orders()


@trace_signals("my own", reporters=[keep_of_my_own])
def import_for_me() -> None:
    paid.send("the shop")


def run_decorated(request: HttpRequest) -> HttpResponse:
    import_orders()
    import_for_me()
    with trace_signals("a block") as block:
        import_orders()
    asked.append(f"in the block: {len(block.dispatches)}")
    return HttpResponse("imported")


urlpatterns = [
    path("pay/", pay),
    path("pay-soon/", pay_soon),
    path("decorated/", run_decorated),
]


@pytest.fixture(autouse=True)
def site(settings: Any) -> Iterator[None]:
    settings.ROOT_URLCONF = HERE
    settings.MIDDLEWARE = ["signal_tracer.middleware.SignalTracerMiddleware"]
    use(settings, 0.5)
    paid.connect(receipt)
    yield
    paid.disconnect(receipt)
    traces.clear()
    asked.clear()


def use(settings: Any, rate: float, **others: Any) -> None:
    settings.SIGNAL_TRACER = {
        "ENABLED": True,
        "SAMPLE_RATE": rate,
        "REPORTERS": [f"{HERE}.keep"],
        **others,
    }


@pytest.fixture
def drawing(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Give the numbers that are drawn; to draw another one is an error."""

    def draw_these(*numbers: float) -> None:
        monkeypatch.setattr(sampling, "draw", iter(numbers).__next__)

    draw_these()
    return draw_these


def names() -> list[str]:
    return [trace.name for trace in traces]


# How many


def test_of_5000_requests_at_a_tenth_about_500_are_traced(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(settings, 0.1)
    monkeypatch.setattr(sampling, "draw", random.Random(2026).random)
    answered = 0

    def answer(request: HttpRequest) -> HttpResponse:
        nonlocal answered
        answered += 1
        return HttpResponse()

    handler: Any = SignalTracerMiddleware(answer)
    request = RequestFactory().get("/")
    for _ in range(5_000):
        handler(request)

    assert answered == 5_000
    # A standard deviation is 21.
    assert 350 < len(traces) < 650


@pytest.mark.parametrize(("rate", "traced"), [(0.1, 1), (0.3, 2), (0.75, 3), (1e-9, 0)])
def test_a_request_is_traced_when_its_number_is_below_the_rate(
    settings: Any, drawing: Any, rate: float, traced: int
) -> None:
    use(settings, rate)
    drawing(0.05, 0.25, 0.7, 0.75, 0.99)
    client = Client()
    for _ in range(5):
        assert client.get("/pay/").content == b"paid"

    assert names() == ["GET /pay/"] * traced


@pytest.mark.parametrize("rate", [1, 1.0])
def test_at_one_each_request_is_traced_and_nothing_is_drawn(
    settings: Any, drawing: Any, rate: float
) -> None:
    use(settings, rate)
    Client().get("/pay/")
    import_orders()

    assert names() == ["GET /pay/", "nightly import"]


@pytest.mark.parametrize("rate", [0, 0.0])
def test_at_zero_the_middleware_removes_itself_and_nothing_is_traced(
    settings: Any, drawing: Any, rate: float
) -> None:
    use(settings, rate)
    with pytest.raises(MiddlewareNotUsed, match=r"SIGNAL_TRACER\['SAMPLE_RATE'\] is 0"):
        SignalTracerMiddleware(pay)
    Client().get("/pay/")
    import_orders()

    assert traces == []
    assert vars(Signal)["send"] is DJANGOS_SEND


def test_a_rate_of_zero_that_is_set_later_counts_from_the_next_request(
    settings: Any, drawing: Any
) -> None:
    drawing(0.1)
    client = Client()
    client.get("/pay/")
    use(settings, 0)
    client.get("/pay/")

    assert names() == ["GET /pay/"]


@pytest.mark.parametrize("wrong", [1.5, -1, True, "0.1", None, float("nan")])
def test_a_wrong_rate_counts_as_absent(settings: Any, drawing: Any, wrong: Any) -> None:
    use(settings, wrong)
    Client().get("/pay/")

    assert names() == ["GET /pay/"]


# What a request that is not sampled is spared


def test_until_one_is_sampled_signal_is_djangos_own(drawing: Any) -> None:
    drawing(0.9, 0.9, 0.1)
    client = Client()
    client.get("/pay/")
    client.get("/pay/")
    assert vars(Signal)["send"] is DJANGOS_SEND
    client.get("/pay/")

    assert vars(Signal)["send"] is not DJANGOS_SEND
    assert names() == ["GET /pay/"]


def test_a_callable_in_enabled_is_asked_about_sampled_requests_only(
    settings: Any, drawing: Any
) -> None:
    use(settings, 0.5, ENABLED=f"{HERE}.ask")
    drawing(0.9, 0.1, 0.9)
    client = Client()
    for _ in range(3):
        client.get("/pay/")

    assert asked == ["unsampled: True", "/pay/", "unsampled: False", "unsampled: True"]
    assert names() == ["GET /pay/"]


async def test_an_async_request_is_sampled_as_a_sync_one(drawing: Any) -> None:
    drawing(0.9, 0.1, 0.9)
    client = AsyncClient()
    for _ in range(3):
        assert (await client.get("/pay-soon/")).content == b"paid"

    assert asked == ["unsampled: True", "unsampled: False", "unsampled: True"]
    assert names() == ["GET /pay-soon/"]


def test_a_request_that_is_not_sampled_leaves_nothing_behind(drawing: Any) -> None:
    drawing(0.9)

    def fail(request: HttpRequest) -> HttpResponse:
        raise ZeroDivisionError("in the view")

    def handle() -> dict[Any, Any]:
        with pytest.raises(ZeroDivisionError, match="in the view"):
            SignalTracerMiddleware(fail)(RequestFactory().get("/"))
        return dict(copy_context())

    before = dict(copy_context())
    assert copy_context().run(handle) == before


async def test_requests_at_once_have_a_decision_each(drawing: Any) -> None:
    drawing(0.9, 0.1)
    both_began = asyncio.Barrier(2)
    seen = []

    async def answer(request: HttpRequest) -> HttpResponse:
        await both_began.wait()
        seen.append((request.path, sampling.is_unsampled(), nodes.current.get() is not None))
        return HttpResponse()

    handler: Any = SignalTracerMiddleware(answer)
    await asyncio.gather(*(handler(RequestFactory().get(each)) for each in ("/1/", "/2/")))

    assert sorted(seen) == [("/1/", True, False), ("/2/", False, True)]
    assert names() == ["GET /2/"]


def test_a_request_that_nobody_runs_any_more_is_closed_in_any_context(drawing: Any) -> None:
    drawing(0.9)

    async def wait(request: HttpRequest) -> HttpResponse:
        await asyncio.Event().wait()
        raise AssertionError

    handler: Any = SignalTracerMiddleware(wait)
    running = handler(RequestFactory().get("/pay/"))
    loop = asyncio.new_event_loop()
    loop.call_soon(running.send, None)
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    running.close()

    assert not sampling.is_unsampled()


# The numbers


def test_the_numbers_that_somebody_asked_for_with_a_seed_are_the_same(settings: Any) -> None:
    random.seed(7)
    expected = [random.random() for _ in range(3)]
    client = Client()
    random.seed(7)
    numbers = []
    for _ in range(3):
        client.get("/pay/")
        numbers.append(random.random())

    assert numbers == expected


def test_a_seed_of_the_module_random_decides_nothing(settings: Any) -> None:
    drawn = set()
    for _ in range(3):
        random.seed(7)
        drawn.add(sampling.draw())

    assert len(drawn) == 3


FORKING = """
import os, sys
import django
from django.conf import settings
settings.configure()
from signal_tracer.sampling import draw

draw()
for _ in range(2):
    child = os.fork()
    if not child:
        os.write(1, f"{draw()}\\n".encode())
        os._exit(0)
    os.waitpid(child, 0)
os.write(1, f"{draw()}\\n".encode())
"""


def test_forked_workers_draw_other_numbers_each() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", FORKING], capture_output=True, text=True, check=True
    )
    numbers = ran.stdout.split()

    assert len(numbers) == 3
    assert len(set(numbers)) == 3


# A decorated function


def test_the_calls_of_a_decorated_function_are_sampled(drawing: Any) -> None:
    drawing(0.1, 0.9, 0.4, 0.5)
    for _ in range(4):
        import_orders()

    assert names() == ["nightly import"] * 2


async def test_the_calls_of_a_decorated_coroutine_function_are_sampled(drawing: Any) -> None:
    drawing(0.9, 0.1)
    await fetch_orders()
    await fetch_orders()

    assert names() == ["soon"]


def test_what_a_decorated_function_calls_follows_it(drawing: Any) -> None:
    drawing(0.9, 0.1)
    import_all()
    assert traces == []
    import_all()

    assert names() == ["nightly import", "nightly import", "outer"]


def test_inside_a_sampled_request_decorated_functions_are_traced(drawing: Any) -> None:
    drawing(0.1)
    Client().get("/decorated/")

    assert names() == ["nightly import", "nightly import", "GET /decorated/"]
    assert asked == ["my own", "in the block: 1"]


def test_inside_another_only_blocks_and_reporters_of_ones_own_are(drawing: Any) -> None:
    drawing(0.9)
    Client().get("/decorated/")

    assert names() == []
    assert asked == ["my own", "in the block: 1"]


def test_where_nobody_is_to_be_given_a_trace_nothing_is_decided(
    settings: Any, drawing: Any
) -> None:
    use(settings, 0.5, REPORTERS=[])
    seen = []

    @trace_signals()
    def look() -> None:
        seen.append(sampling.is_unsampled())

    look()

    assert seen == [False]


# What is never sampled


@pytest.mark.parametrize("rate", [0, 0.5])
def test_a_block_is_traced_at_any_rate(settings: Any, drawing: Any, rate: float) -> None:
    use(settings, rate)
    with trace_signals("by hand", reporters=[keep]) as trace:
        paid.send("the shop")

    assert len(trace.dispatches) == 1
    assert names() == ["by hand"]


@pytest.mark.parametrize("rate", [0, 0.5])
def test_a_command_is_traced_at_any_rate(
    settings: Any, drawing: Any, rate: float, capsys: pytest.CaptureFixture[str]
) -> None:
    use(settings, rate)
    call_command("trace_signals", "check", "--tag", "urls")

    assert names() == ["manage.py check"]
