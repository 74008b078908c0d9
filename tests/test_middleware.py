"""The middleware: a trace for each request, for the reporters, without touching the request."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import MiddlewareNotUsed
from django.dispatch import Signal
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import AsyncClient, Client, RequestFactory
from django.urls import path

from signal_tracer import Trace, middleware
from signal_tracer.collecting import recording
from signal_tracer.middleware import SignalTracerMiddleware
from signal_tracer.trace import Request

paid = Signal()
traces: list[Trace] = []
calls: list[str] = []

# What other modules do that use the middleware: reporters, and callables for ENABLED.


def keep(trace: Trace) -> None:
    traces.append(trace)


def keep_too(trace: Trace) -> None:
    calls.append(f"reported {trace.name}")


def fail_to_report(trace: Trace) -> None:
    raise ValueError("no room on the disk")


def only_pay(request: HttpRequest) -> bool:
    return request.path.startswith("/pay/")


def fail_to_decide(request: HttpRequest) -> bool:
    raise LookupError("no such user")


def receipt(sender: object, **kwargs: object) -> str:
    return "sent"


def pay(request: HttpRequest) -> HttpResponse:
    paid.send("the shop", order=7)
    calls.append("view")
    return HttpResponse("paid", status=201)


async def pay_soon(request: HttpRequest) -> HttpResponse:
    await asyncio.sleep(0)
    await paid.asend("the shop", order=7)
    return HttpResponse("paid", status=202)


def look(request: HttpRequest) -> HttpResponse:
    paid.send("a visitor")
    return HttpResponse("looked")


def crash(request: HttpRequest) -> HttpResponse:
    paid.send("the shop")
    raise ZeroDivisionError("in the view")


def miss(request: HttpRequest) -> HttpResponse:
    raise Http404


def stream(request: HttpRequest) -> StreamingHttpResponse:
    def parts() -> Iterator[str]:
        paid.send("the stream")
        yield "part"

    paid.send("the view")
    return StreamingHttpResponse(parts())


urlpatterns = [
    path("pay/", pay),
    path("pay-soon/", pay_soon),
    path("look/", look),
    path("crash/", crash),
    path("miss/", miss),
    path("stream/", stream),
]


@pytest.fixture(autouse=True)
def site(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = ["signal_tracer.middleware.SignalTracerMiddleware"]
    settings.SIGNAL_TRACER = {"ENABLED": True, "REPORTERS": ["test_middleware.keep"]}
    monkeypatch.setattr(middleware, "_logged", set())
    paid.connect(receipt)
    yield
    paid.disconnect(receipt)
    traces.clear()
    calls.clear()


def outlines() -> list[str]:
    return [str(trace).replace("test_middleware.", "") for trace in traces]


# Requests


def test_a_request_is_traced_and_reported_with_method_path_and_status() -> None:
    response = Client().post("/pay/?card=4111", {"amount": 3})

    assert (response.status_code, response.content) == (201, b"paid")
    (trace,) = traces
    assert trace.name == "POST /pay/"
    assert trace.request == Request("POST", "/pay/", 201)
    assert outlines() == ["paid.send  sender='the shop'\n  receipt"]
    assert "4111" not in trace.to_json()


async def test_an_async_request_is_traced_and_reported() -> None:
    response = await AsyncClient().get("/pay-soon/")

    assert (response.status_code, response.content) == (202, b"paid")
    assert [trace.request for trace in traces] == [Request("GET", "/pay-soon/", 202)]
    assert outlines() == ["paid.asend  sender='the shop'\n  receipt"]


async def test_a_sync_view_under_asgi_is_traced() -> None:
    await AsyncClient().get("/pay/")

    assert [trace.request for trace in traces] == [Request("GET", "/pay/", 201)]
    assert outlines() == ["paid.send  sender='the shop'\n  receipt"]


def test_an_async_view_under_wsgi_is_traced() -> None:
    Client().get("/pay-soon/")

    assert [trace.request for trace in traces] == [Request("GET", "/pay-soon/", 202)]
    assert outlines() == ["paid.asend  sender='the shop'\n  receipt"]


def test_each_request_has_a_trace_of_its_own() -> None:
    client = Client()
    for _ in range(2):
        client.get("/pay/")
        client.get("/look/")

    assert [trace.name for trace in traces] == ["GET /pay/", "GET /look/"] * 2
    assert [len(trace.dispatches) for trace in traces] == [1] * 4


def test_the_reporters_get_a_trace_that_has_ended() -> None:
    Client().get("/pay/")
    (trace,) = traces
    paid.send("afterwards")

    assert trace.duration == trace.duration
    assert len(trace.dispatches) == 1
    assert recording.current.get() is None


def test_reporters_are_called_in_order_after_the_view(settings: Any) -> None:
    settings.SIGNAL_TRACER = {
        "ENABLED": True,
        "REPORTERS": ("test_middleware.keep_too", "test_middleware.keep"),
    }
    Client().get("/pay/")

    assert calls == ["view", "reported GET /pay/"]
    assert len(traces) == 1


def test_a_view_that_raises_is_answered_and_reported_as_an_error() -> None:
    response = Client(raise_request_exception=False).get("/crash/")

    assert response.status_code == 500
    assert [trace.request for trace in traces] == [Request("GET", "/crash/", 500)]
    assert outlines()[0].startswith("paid.send  sender='the shop'\n  receipt\n")
    assert [each.signal for each in traces[0].dispatches] == [
        "test_middleware.paid",
        "django.core.signals.got_request_exception",
    ]


def test_a_path_that_is_not_found_is_reported_as_such() -> None:
    assert Client().get("/miss/").status_code == 404
    assert [trace.request for trace in traces] == [Request("GET", "/miss/", 404)]


def test_what_a_stream_sends_is_not_in_the_trace() -> None:
    response = Client().get("/stream/")
    assert b"".join(response.streaming_content) == b"part"

    assert outlines() == ["paid.send  sender='the view'\n  receipt"]


class Interrupted(BaseException):
    """What no middleware of Django's turns into a response."""


def test_a_request_that_is_never_answered_ends_its_trace_and_is_reported() -> None:
    def interrupt(request: HttpRequest) -> HttpResponse:
        paid.send("the shop")
        raise Interrupted

    with pytest.raises(Interrupted):
        SignalTracerMiddleware(interrupt)(RequestFactory().get("/pay/"))

    assert recording.current.get() is None
    assert [trace.request for trace in traces] == [Request("GET", "/pay/", None)]
    assert outlines() == ["paid.send  sender='the shop'\n  receipt"]


async def test_an_async_request_that_is_cancelled_ends_its_trace_and_is_reported() -> None:
    started = asyncio.Event()

    async def wait(request: HttpRequest) -> HttpResponse:
        await paid.asend("the shop")
        started.set()
        await asyncio.Event().wait()
        raise AssertionError

    handler: Any = SignalTracerMiddleware(wait)
    task = asyncio.create_task(handler(RequestFactory().get("/pay/")))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert [trace.request for trace in traces] == [Request("GET", "/pay/", None)]
    assert outlines() == ["paid.asend  sender='the shop'\n  receipt"]


def test_the_exception_of_a_view_is_the_very_one() -> None:
    error = ZeroDivisionError("in the view")

    def fail(request: HttpRequest) -> HttpResponse:
        raise error

    with pytest.raises(ZeroDivisionError) as caught:
        SignalTracerMiddleware(fail)(RequestFactory().get("/"))

    assert caught.value is error


# ENABLED


@pytest.mark.parametrize(
    ("enabled", "debug", "is_used"),
    [
        (None, True, True),
        (None, False, False),
        (True, False, True),
        (True, True, True),
        (False, True, False),
        (False, False, False),
        ("test_middleware.only_pay", False, True),
        (7, True, True),
        (7, False, False),
    ],
)
def test_the_middleware_removes_itself_when_it_is_plainly_off(
    settings: Any, enabled: Any, debug: bool, is_used: bool
) -> None:
    settings.DEBUG = debug
    settings.SIGNAL_TRACER = {"ENABLED": enabled}
    if is_used:
        SignalTracerMiddleware(pay)
    else:
        with pytest.raises(MiddlewareNotUsed, match=r"SIGNAL_TRACER\['ENABLED'\] is off"):
            SignalTracerMiddleware(pay)


def test_without_the_setting_debug_decides(settings: Any) -> None:
    del settings.SIGNAL_TRACER
    settings.DEBUG = False
    with pytest.raises(MiddlewareNotUsed):
        SignalTracerMiddleware(pay)


@pytest.mark.parametrize("enabled", [False, None])
def test_when_it_is_off_signal_is_djangos_own(settings: Any, enabled: Any) -> None:
    settings.DEBUG = False
    settings.SIGNAL_TRACER = {"ENABLED": enabled, "REPORTERS": ["test_middleware.keep"]}
    before = dict(vars(Signal))
    assert Client().get("/pay/").status_code == 201

    assert traces == []
    assert {name: id(value) for name, value in vars(Signal).items()} == {
        name: id(value) for name, value in before.items()
    }


def test_when_it_is_on_signal_is_djangos_own_until_the_first_request() -> None:
    original = Signal.send
    client = Client()
    client.handler.load_middleware()
    assert Signal.send is original

    client.get("/pay/")
    assert Signal.send is not original


def test_a_callable_decides_request_by_request(settings: Any) -> None:
    settings.SIGNAL_TRACER = {
        "ENABLED": "test_middleware.only_pay",
        "REPORTERS": ["test_middleware.keep"],
    }
    client = Client()
    client.get("/look/")
    client.get("/pay/")
    client.get("/look/")

    assert [trace.name for trace in traces] == ["GET /pay/"]


async def test_a_callable_decides_for_async_requests_too(settings: Any) -> None:
    settings.SIGNAL_TRACER = {
        "ENABLED": "test_middleware.only_pay",
        "REPORTERS": ["test_middleware.keep"],
    }
    assert (await AsyncClient().get("/look/")).content == b"looked"
    assert (await AsyncClient().get("/pay-soon/")).content == b"paid"
    assert (await AsyncClient().get("/pay/")).content == b"paid"

    assert [trace.name for trace in traces] == ["GET /pay/"]


def test_turning_it_off_later_is_heeded(settings: Any) -> None:
    client = Client()
    client.get("/pay/")
    settings.SIGNAL_TRACER = {"ENABLED": False, "REPORTERS": ["test_middleware.keep"]}
    client.get("/pay/")

    assert len(traces) == 1


@pytest.mark.parametrize(
    ("enabled", "error"),
    [
        ("test_middleware.fail_to_decide", "LookupError: no such user"),
        ("test_middleware.nowhere", "ImportError"),
        ("nowhere", "ImportError"),
        ("", "ImportError"),
        ("test_middleware.calls", "TypeError"),
    ],
)
def test_a_callable_that_fails_is_logged_once_and_the_request_goes_on_untraced(
    settings: Any, caplog: pytest.LogCaptureFixture, enabled: str, error: str
) -> None:
    settings.SIGNAL_TRACER = {"ENABLED": enabled, "REPORTERS": ["test_middleware.keep"]}
    client = Client()
    for _ in range(3):
        assert client.get("/pay/").content == b"paid"

    assert traces == []
    (record,) = [each for each in caplog.records if each.name == "signal_tracer"]
    assert record.levelno == logging.ERROR
    assert record.getMessage() == (
        f"SIGNAL_TRACER['ENABLED'] is {enabled!r}, which failed; "
        "requests are not traced while it does."
    )
    assert error in (record.exc_text or logging.Formatter().format(record))


# Reporters that fail


@pytest.mark.parametrize(
    "path_of_reporter",
    [
        "test_middleware.fail_to_report",
        "test_middleware.nowhere",
        "no.such.module.report",
        "nothing",
        "test_middleware.calls",
    ],
)
def test_a_reporter_that_fails_is_logged_once_with_its_name_and_the_others_go_on(
    settings: Any, caplog: pytest.LogCaptureFixture, path_of_reporter: str
) -> None:
    settings.SIGNAL_TRACER = {
        "ENABLED": True,
        "REPORTERS": [path_of_reporter, "test_middleware.keep"],
    }
    client = Client()
    for _ in range(3):
        response = client.get("/pay/")
        assert (response.status_code, response.content) == (201, b"paid")

    assert len(traces) == 3
    (record,) = [each for each in caplog.records if each.name == "signal_tracer"]
    assert record.levelno == logging.ERROR
    assert record.getMessage() == (
        f"The reporter {path_of_reporter!r} of SIGNAL_TRACER['REPORTERS'] failed; "
        "the request went on."
    )
    assert record.exc_info is not None


def test_two_reporters_that_fail_are_logged_each(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.SIGNAL_TRACER = {
        "ENABLED": True,
        "REPORTERS": ["test_middleware.fail_to_report", "nothing"],
    }
    client = Client()
    client.get("/pay/")
    client.get("/pay/")

    messages = [each.getMessage() for each in caplog.records if each.name == "signal_tracer"]
    assert [message.split("'")[1] for message in messages] == [
        "test_middleware.fail_to_report",
        "nothing",
    ]


@pytest.mark.parametrize(
    "setting",
    ["on", ["REPORTERS"], {"REPORTERS": "a.b"}, {"ENABELD": True}, {"MAX_DISPATCHES": "x"}, 5],
    ids=str,
)
def test_a_wrong_setting_never_breaks_a_request(settings: Any, setting: Any) -> None:
    settings.DEBUG = True
    settings.SIGNAL_TRACER = setting

    assert Client().get("/pay/").content == b"paid"


def test_a_request_without_a_method_is_traced() -> None:
    def answer(request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    SignalTracerMiddleware(answer)(HttpRequest())

    assert [(trace.name, trace.request) for trace in traces] == [("? ", Request("?", "", 200))]
