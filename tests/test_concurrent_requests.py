"""Fifty concurrent requests, each with its own signals: no trace holds another's dispatch."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import uvicorn
from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import AsyncClient
from django.urls import path

from signal_tracer import Trace

REQUESTS = 50

placed = Signal()
checked = Signal()
stored = Signal()
told = Signal()
unheard = Signal()

traces: list[Trace] = []
arrived: list[int] = []
all_arrived: list[asyncio.Event] = []


def keep(trace: Trace) -> None:
    traces.append(trace)


# Receivers that wait, so that the other requests come in between.


def check(sender: object, number: int, **kwargs: object) -> int:
    checked.send(f"check {number}", number=number)
    return number


async def store(sender: object, number: int, **kwargs: object) -> int:
    for _ in range(number % 5):
        await asyncio.sleep(0)
    await stored.asend(f"store {number}", number=number)
    unheard.send(f"store {number}")
    return number


async def tell(sender: object, number: int, **kwargs: object) -> int:
    for _ in range((number * 7) % 5):
        await asyncio.sleep(0)
    await asyncio.gather(
        told.asend(f"tell {number}", number=number),
        sync_to_async(told.send, thread_sensitive=False)(f"tell {number}", number=number),
    )
    return number


def note(sender: object, number: int, **kwargs: object) -> int:
    return number


async def note_soon(sender: object, number: int, **kwargs: object) -> int:
    await asyncio.sleep(0)
    return number


async def place_soon(request: HttpRequest, number: int) -> HttpResponse:
    arrived.append(number)
    if len(arrived) == REQUESTS:
        all_arrived[0].set()
    await all_arrived[0].wait()  # Every request is here, and every trace runs.
    responses = [
        *await placed.asend(f"view {number}", number=number),
        *await placed.asend_robust(f"view {number}", number=number),
    ]
    return JsonResponse({"number": number, "responses": [each for _, each in responses]})


def place(request: HttpRequest, number: int) -> HttpResponse:
    placed.send(f"view {number}", number=number)
    return JsonResponse({"number": number})


async def ready(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ready")


urlpatterns = [
    path("soon/<int:number>/", place_soon),
    path("now/<int:number>/", place),
    path("ready/", ready),
]


@pytest.fixture(autouse=True)
def site(settings: Any) -> Iterator[None]:
    settings.ROOT_URLCONF = __name__
    settings.ALLOWED_HOSTS = ["*"]
    settings.MIDDLEWARE = ["signal_tracer.middleware.SignalTracerMiddleware"]
    settings.SIGNAL_TRACER = {"ENABLED": True, "REPORTERS": [f"{__name__}.keep"]}
    for receiver in (check, store, tell):
        placed.connect(receiver)
    checked.connect(note)
    stored.connect(note_soon)
    told.connect(note)
    all_arrived[:] = [asyncio.Event()]
    yield
    for signal in (placed, checked, stored, told):
        signal.receivers = []
        signal.sender_receivers_cache.clear()
    traces.clear()
    arrived.clear()


def summary(trace: Trace) -> Counter[tuple[str, str, Any]]:
    """How often each signal was sent, from where, with which number."""
    return Counter(
        (each.signal.rpartition(".")[2], each.sender, each.kwargs.get("number"))
        for each in trace.walk()
    )


def expected_for(number: int) -> dict[tuple[str, str, Any], int]:
    return {
        ("placed", f"'view {number}'", number): 2,
        ("checked", f"'check {number}'", number): 2,
        ("stored", f"'store {number}'", number): 2,
        ("told", f"'tell {number}'", number): 4,
    }


def assert_each_trace_is_its_requests_own() -> None:
    assert sorted(trace.name for trace in traces) == sorted(
        f"GET /soon/{number}/" for number in range(REQUESTS)
    )
    for trace in traces:
        number = int(trace.name.split("/")[2])
        assert summary(trace) == expected_for(number)
        assert [(each.sender, each.count) for each in trace.unheard] == [(f"'store {number}'", 2)]
        assert [str(each.sender) for each in trace.dispatches] == [f"'view {number}'"] * 2
        for root in trace.dispatches:
            below = {
                call.receiver.rpartition(".")[2]: [nested.sender for nested in call.dispatches]
                for call in root.receiver_calls
            }
            assert below == {
                "check": [f"'check {number}'"],
                "store": [f"'store {number}'"],
                "tell": [f"'tell {number}'"] * 2,
            }
        assert {call.outcome for call in trace.receiver_calls()} == {"returned"}
        assert trace.faults == 0
        assert trace.omitted == 0


async def test_concurrent_async_requests_are_traced_apart() -> None:
    client = AsyncClient()
    responses = await asyncio.gather(
        *(client.get(f"/soon/{number}/") for number in range(REQUESTS))
    )

    assert [json.loads(response.content) for response in responses] == [
        {"number": number, "responses": [number] * 6} for number in range(REQUESTS)
    ]
    assert_each_trace_is_its_requests_own()


async def test_concurrent_sync_views_under_asgi_are_traced_apart() -> None:
    client = AsyncClient()
    placed.disconnect(store)
    placed.disconnect(tell)
    await asyncio.gather(*(client.get(f"/now/{number}/") for number in range(REQUESTS)))

    assert len(traces) == REQUESTS
    for trace in traces:
        number = int(trace.name.split("/")[2])
        assert summary(trace) == {
            ("placed", f"'view {number}'", number): 1,
            ("checked", f"'check {number}'", number): 1,
        }


@pytest.fixture
async def uvicorn_url() -> AsyncIterator[str]:
    """A real server, in this very loop."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(ASGIHandler(), lifespan="off", log_level="error", ws="none")
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
        listener.close()


async def test_concurrent_requests_to_a_real_asgi_server_are_traced_apart(
    uvicorn_url: str,
) -> None:
    limits = httpx.Limits(max_connections=REQUESTS)
    async with httpx.AsyncClient(
        base_url=uvicorn_url, limits=limits, timeout=60, trust_env=False
    ) as client:
        responses = await asyncio.gather(
            *(client.get(f"/soon/{number}/") for number in range(REQUESTS))
        )

    assert [response.json()["responses"] for response in responses] == [
        [number] * 6 for number in range(REQUESTS)
    ]
    assert_each_trace_is_its_requests_own()


class QuietHandler(WSGIRequestHandler):
    def log_message(self, *args: object) -> None:
        """Says nothing."""


def test_concurrent_requests_to_a_threaded_wsgi_server_are_traced_apart() -> None:
    # The async receivers of a sync send run in a loop of the request's own thread.
    placed.disconnect(tell)
    server = ThreadedWSGIServer(("127.0.0.1", 0), QuietHandler)
    server.daemon_threads = False
    server.set_app(WSGIHandler())
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    begin = threading.Barrier(REQUESTS)

    def ask(number: int) -> None:
        begin.wait()
        with httpx.Client(timeout=60, trust_env=False) as client:
            answers.append(client.get(f"{url}/now/{number}/").json()["number"])

    url = f"http://127.0.0.1:{server.server_port}"
    answers: list[int] = []
    try:
        asking = [threading.Thread(target=ask, args=(number,)) for number in range(REQUESTS)]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
    finally:
        server.shutdown()
        server.server_close()
        serving.join()

    assert sorted(answers) == list(range(REQUESTS))
    assert len(traces) == REQUESTS
    for trace in traces:
        number = int(trace.name.split("/")[2])
        assert summary(trace) == {
            ("placed", f"'view {number}'", number): 1,
            ("checked", f"'check {number}'", number): 1,
            ("stored", f"'store {number}'", number): 1,
        }
        assert trace.faults == 0
