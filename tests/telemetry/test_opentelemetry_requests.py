"""Spans of real requests, beside those of OpenTelemetry's own instrumentation, as they arrive."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from otlp import Arrived, Collector, collecting, trees

pytest.importorskip("opentelemetry.instrumentation.django")
pytest.importorskip("opentelemetry.exporter.otlp.proto.http")

from opentelemetry import trace as api
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.instrumentation.sqlite3 import SQLite3Instrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from signal_tracer.showing.export.opentelemetry import SpanReporter

REQUESTS = 200
OURS = "signal_tracer.middleware.SignalTracerMiddleware"
THEIRS = "opentelemetry.instrumentation.django.middleware.otel_middleware._DjangoMiddleware"
OTHER = "django.middleware.common.CommonMiddleware"
ORDERS = {"ours is outside": [OURS, OTHER, THEIRS], "ours is inside": [THEIRS, OTHER, OURS]}
SERVER, ERROR = 2, 2

placed, checked, stored, told = Signal(), Signal(), Signal(), Signal()

report: Any = None
arrived: list[int] = []
all_arrived: list[asyncio.Event] = []
barriers: list[threading.Barrier] = []


# Receivers that wait, so that the other requests come in between, and that ask a database.


def check(sender: object, number: int, **kwargs: object) -> None:
    checked.send(f"check {number}", number=number)


async def store(sender: object, number: int, **kwargs: object) -> None:
    for _ in range(number % 5):
        await asyncio.sleep(0)
    await stored.asend(f"store {number}", number=number)


async def tell(sender: object, number: int, **kwargs: object) -> None:
    for _ in range((number * 7) % 5):
        await asyncio.sleep(0)
    await asyncio.gather(
        told.asend(f"tell {number}", number=number),
        sync_to_async(told.send, thread_sensitive=False)(f"tell {number}", number=number),
    )


def note(sender: object, number: int, **kwargs: object) -> None:
    connection = sqlite3.connect(":memory:")
    connection.cursor().execute(f"select {number}").close()
    connection.close()


async def note_soon(sender: object, number: int, **kwargs: object) -> None:
    await asyncio.sleep(0)
    note(sender, number)


def fail(sender: object, number: int, **kwargs: object) -> None:
    raise ValueError(f"no paper for {number}")


async def place_soon(request: HttpRequest, number: int) -> HttpResponse:
    arrived.append(number)
    if len(arrived) == REQUESTS:
        all_arrived[0].set()
    await all_arrived[0].wait()  # Every request is here, and every trace runs.
    await placed.asend(f"view {number}", number=number)
    await placed.asend_robust(f"view {number}", number=number)
    return HttpResponse(str(number))


def place(request: HttpRequest, number: int) -> HttpResponse:
    if barriers:
        barriers[0].wait()
    placed.send(f"view {number}", number=number)
    return HttpResponse(str(number))


def quiet(request: HttpRequest) -> HttpResponse:
    return HttpResponse("nothing was sent")


def within(request: HttpRequest) -> HttpResponse:
    """A view that makes spans of its own."""
    tracer = api.get_tracer("shop", tracer_provider=providers[-1])
    checked.send("before", number=1)
    with tracer.start_as_current_span("charge"):
        checked.send("within", number=2)
    checked.send("after", number=3)
    return HttpResponse("done")


urlpatterns = [
    path("soon/<int:number>/", place_soon),
    path("now/<int:number>/", place),
    path("quiet/", quiet),
    path("within/", within),
]

providers: list[TracerProvider] = []


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture
def provider(collector: Collector) -> Iterator[TracerProvider]:
    """As in a project's own set-up, with all that arrives in ``collector``."""
    provider = TracerProvider()
    exporter = OTLPSpanExporter(f"{collector.url}/v1/traces", compression=Compression.Gzip)
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=20_000))
    yield provider
    provider.shutdown()


@pytest.fixture(params=ORDERS)
def site(request: Any, settings: Any, provider: TracerProvider) -> Iterator[None]:
    global report
    settings.ROOT_URLCONF = __name__
    settings.ALLOWED_HOSTS = ["*"]
    settings.MIDDLEWARE = []
    settings.SIGNAL_TRACER = {
        "ENABLED": True,
        "REPORTERS": [f"{__name__}.report"],
    }
    report = SpanReporter(tracer_provider=provider)
    providers.append(provider)
    for receiver in (check, store, tell):
        placed.connect(receiver)
    checked.connect(note)
    stored.connect(note_soon)
    told.connect(note)
    all_arrived[:] = [asyncio.Event()]
    DjangoInstrumentor().instrument(tracer_provider=provider)
    SQLite3Instrumentor().instrument(tracer_provider=provider)
    settings.MIDDLEWARE = [*ORDERS[request.param]]
    yield
    DjangoInstrumentor().uninstrument()
    SQLite3Instrumentor().uninstrument()
    for signal in (placed, checked, stored, told):
        signal.receivers = []
        signal.sender_receivers_cache.clear()
    for each in (arrived, barriers, providers):
        each.clear()


PREFIX = f"{__name__}."
# Each request's, without those of the database: these are below the span of the request, whatever
# receiver asked, because they were made before there were any of ours.
SOON = """\
GET soon/<int:number>/
  placed
    check
      checked
        note
    store
      stored
        note_soon
    tell
      told
        note
      told
        note
  placed
    check
      checked
        note
    store
      stored
        note_soon
    tell
      told
        note
      told
        note"""
NOW = """\
GET now/<int:number>/
  placed
    check
      checked
        note"""


def drawn(spans: list[Arrived]) -> str:
    """Siblings by their names, since async ones start in any order."""
    return "\n".join(trees(spans, by="name", only_ours=True)).replace(PREFIX, "")


def number_of(spans: list[Arrived]) -> int:
    """Which request the span of the server belongs to."""
    [server] = [span for span in spans if span.kind == SERVER]
    return int(server.attributes["http.url"].split("/")[-2])


def assert_each_has_its_own(collector: Collector, expected: str, queries: int) -> None:
    by_trace = collector.by_trace()
    assert len(by_trace) == REQUESTS
    assert sorted(number_of(spans) for spans in by_trace.values()) == [*range(REQUESTS)]
    for spans in by_trace.values():
        number = number_of(spans)
        assert drawn(spans) == expected
        told_of = {
            str(span.attributes["django.signal.sender"]).strip("'").split()[-1]
            for span in spans
            if span.is_ours
        }
        assert told_of == {str(number)}
        asked = [s.attributes["db.statement"] for s in spans if s.scope[0].endswith("sqlite3")]
        assert asked == [f"select {number}"] * queries
    assert collector.encodings == {"gzip"}


@pytest.mark.usefixtures("site")
async def test_concurrent_requests_under_asgi_have_spans_of_their_own(
    collector: Collector, provider: TracerProvider
) -> None:
    transport = httpx.ASGITransport(ASGIHandler())
    async with httpx.AsyncClient(transport=transport, base_url="http://shop", timeout=60) as client:
        answers = await asyncio.gather(
            *(client.get(f"/soon/{number}/") for number in range(REQUESTS))
        )
    await asyncio.to_thread(provider.force_flush)

    assert [answer.text for answer in answers] == [str(number) for number in range(REQUESTS)]
    assert_each_has_its_own(collector, SOON, queries=8)


@pytest.mark.usefixtures("site")
def test_concurrent_requests_under_wsgi_have_spans_of_their_own(
    collector: Collector, provider: TracerProvider
) -> None:
    placed.disconnect(store)
    placed.disconnect(tell)
    barriers[:] = [threading.Barrier(REQUESTS)]
    application = WSGIHandler()
    answers: list[str] = []

    def ask(number: int) -> None:
        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": f"/now/{number}/",
            "SERVER_NAME": "shop",
            "SERVER_PORT": "80",
            "wsgi.url_scheme": "http",
            "wsgi.input": BytesIO(),
        }
        response = application(environ, lambda *args: None)
        answers.append(b"".join(response).decode())
        response.close()

    asking = [threading.Thread(target=ask, args=(number,)) for number in range(REQUESTS)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    provider.force_flush()

    assert sorted(map(int, answers)) == [*range(REQUESTS)]
    assert_each_has_its_own(collector, NOW, queries=1)


@pytest.mark.usefixtures("site")
def test_a_dispatch_belongs_to_the_span_that_was_active_when_it_was_sent(
    collector: Collector, provider: TracerProvider
) -> None:
    Client().get("/within/")
    provider.force_flush()

    # By their parents: the SDK reads another clock than we do, which orders its own spans.
    [server] = [span for span in collector.spans if span.kind == SERVER]
    [charge] = [span for span in collector.spans if span.name == "charge"]
    ours = sorted((span for span in collector.spans if span.is_ours), key=lambda span: span.start)
    dispatches = [span for span in ours if span.name == "checked"]
    calls = [span for span in ours if span not in dispatches]
    assert (server.name, server.parent, charge.parent) == ("GET within/", "", server.id)
    assert [(span.attributes["django.signal.sender"], span.parent) for span in dispatches] == [
        ("'before'", server.id),
        ("'within'", charge.id),
        ("'after'", server.id),
    ]
    assert [(span.name, span.parent) for span in calls] == [
        (f"{PREFIX}note", span.id) for span in dispatches
    ]


@pytest.mark.usefixtures("site")
def test_a_request_that_sends_nothing_has_no_spans_of_ours(
    collector: Collector, provider: TracerProvider
) -> None:
    Client().get("/quiet/")
    provider.force_flush()

    assert [span.name for span in collector.spans] == ["GET quiet/"]


@pytest.mark.usefixtures("site")
def test_what_was_swallowed_arrives_with_its_exception_and_status(
    collector: Collector, provider: TracerProvider
) -> None:
    checked.connect(fail)

    def view(sender: object, **kwargs: object) -> None:
        checked.send_robust("the view", number=7)

    placed.receivers = []
    placed.connect(view)
    Client().get("/now/7/")
    provider.force_flush()

    [failed] = [span for span in collector.spans if span.status == ERROR]
    assert failed.name == f"{PREFIX}fail"
    assert failed.message == "ValueError: no paper for 7"
    assert failed.attributes["django.signal.outcome"] == "swallowed"
    [(name, told_of, at)] = failed.events
    assert name == "exception"
    stacktrace = told_of.pop("exception.stacktrace")
    assert told_of == {
        "exception.type": "ValueError",
        "exception.message": "no paper for 7",
        "django.signal.outcome": "swallowed",
    }
    assert stacktrace.startswith("Traceback (most recent call last):\n  File ")
    assert stacktrace.endswith(
        'in fail\n    raise ValueError(f"no paper for {number}")\nValueError: no paper for 7'
    )
    assert at == failed.end
