"""The middleware: a trace for each request, for the reporters, without touching the request."""

from __future__ import annotations

import asyncio
import functools
import gc
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.exceptions import MiddlewareNotUsed
from django.dispatch import Signal
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import AsyncClient, Client, RequestFactory
from django.urls import path
from django.utils.functional import SimpleLazyObject

from signal_tracer import Trace, reporting
from signal_tracer.collecting import nodes
from signal_tracer.middleware import SignalTracerMiddleware
from signal_tracer.records import Request

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
    monkeypatch.setattr(reporting, "_logged", set())
    paid.connect(receipt)
    yield
    paid.disconnect(receipt)
    traces.clear()
    calls.clear()


def outlines() -> list[str]:
    return [trace.outline().replace("test_middleware.", "") for trace in traces]


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
    assert nodes.current.get() is None


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

    assert nodes.current.get() is None
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


# Async callables of the setting


async def never(request: HttpRequest) -> bool:
    await asyncio.sleep(0)
    return False


async def only_pay_soon(request: HttpRequest) -> bool:
    await asyncio.sleep(0)
    return request.path.startswith("/pay-soon/")


async def keep_soon(trace: Trace) -> None:
    await asyncio.sleep(0)
    keep(trace)


class Async:
    """What is called is no coroutine function, and its call is to be awaited all the same."""

    async def __call__(self, given: Any) -> bool:
        await asyncio.sleep(0)
        calls.append("instance")
        return False

    async def method(self, given: Any) -> bool:
        return await self(given)


class Awaitable:
    def __init__(self, given: Any) -> None:
        pass

    def __await__(self) -> Iterator[Any]:
        return Async()(None).__await__()


instance = Async()
method = instance.method
partly = functools.partial(Async.method, instance)
plainly_async = lambda given: instance(given)  # noqa: E731
ASYNC = ["instance", "method", "partly", "plainly_async", "Awaitable"]


def use(settings: Any, enabled: Any, *reporters: str) -> None:
    settings.SIGNAL_TRACER = {
        "ENABLED": f"{__name__}.{enabled}" if isinstance(enabled, str) else enabled,
        "REPORTERS": [f"{__name__}.{each}" for each in reporters],
    }


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.name == "signal_tracer"]


async def test_an_async_callable_decides_for_async_requests(settings: Any) -> None:
    use(settings, "only_pay_soon", "keep")
    for address in ("/look/", "/pay-soon/", "/pay/"):
        assert (await AsyncClient().get(address)).status_code < 300

    assert [trace.name for trace in traces] == ["GET /pay-soon/"]


def test_an_async_callable_decides_for_sync_requests(settings: Any) -> None:
    use(settings, "only_pay_soon", "keep")
    for address in ("/look/", "/pay-soon/", "/pay/"):
        assert Client().get(address).status_code < 300

    assert [trace.name for trace in traces] == ["GET /pay-soon/"]


@pytest.mark.parametrize("name", ["never", *ASYNC])
async def test_whatever_is_awaitable_is_awaited_before_it_decides(settings: Any, name: str) -> None:
    use(settings, name, "keep")
    await AsyncClient().get("/look/")
    await sync_to_async(Client().get)("/look/")

    assert traces == []
    assert calls == ([] if name == "never" else ["instance"] * 2)


@pytest.mark.parametrize("name", ASYNC)
async def test_whatever_is_awaitable_is_awaited_as_a_reporter(settings: Any, name: str) -> None:
    use(settings, True, name, "keep_soon", "keep_too")
    await AsyncClient().get("/look/")
    await sync_to_async(Client().get)("/look/")

    assert calls == ["instance", "reported GET /look/"] * 2
    assert [trace.request for trace in traces] == [Request("GET", "/look/", 200)] * 2


def test_without_any_event_loop_an_async_reporter_is_run(settings: Any) -> None:
    use(settings, True, "keep_soon")
    Client().get("/pay/")

    assert outlines() == ["paid.send  sender='the shop'\n  receipt"]


async def test_where_nothing_can_wait_an_async_callable_is_logged_once(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A sync request in the very thread of an event loop; no coroutine is left unawaited."""
    use(settings, "only_pay_soon", "keep")
    handler = SignalTracerMiddleware(pay)
    for _ in range(2):
        assert handler(RequestFactory().get("/pay-soon/")).content == b"paid"  # type: ignore[union-attr]
    use(settings, True, "keep_soon", "keep")
    for _ in range(2):
        assert handler(RequestFactory().get("/pay-soon/")).content == b"paid"  # type: ignore[union-attr]
    gc.collect()

    assert [trace.name for trace in traces] == ["GET /pay-soon/"] * 2
    assert logged(caplog) == [
        (
            "SIGNAL_TRACER['ENABLED'] is 'test_middleware.only_pay_soon', which failed; "
            "requests are not traced while it does."
        ),
        (
            "The reporter 'test_middleware.keep_soon' of SIGNAL_TRACER['REPORTERS'] failed; "
            "the request went on."
        ),
    ]


async def test_a_cancelled_request_is_given_to_async_reporters(settings: Any) -> None:
    use(settings, True, "keep_soon", "keep_too")
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
    assert calls == ["reported GET /pay/"]


async def hang(trace: Trace) -> None:
    calls.append("began")
    await asyncio.Event().wait()


async def test_a_request_is_cancelled_while_a_reporter_waits(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    use(settings, True, "hang", "keep")

    async def answer(request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    handler: Any = SignalTracerMiddleware(answer)
    task = asyncio.create_task(handler(RequestFactory().get("/pay/")))
    while not calls:  # noqa: ASYNC110  # the reporter has no event to set
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (traces, logged(caplog)) == ([], [])


def test_a_request_that_nobody_runs_any_more_is_given_to_sync_reporters(settings: Any) -> None:
    use(settings, True, "keep")

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

    assert [trace.request for trace in traces] == [Request("GET", "/pay/", None)]


async def send_soon(trace: Trace) -> None:
    await paid.asend("the reporter")
    calls.append(f"{nodes.current.get()}")


def send_now(trace: Trace) -> None:
    paid.send("the reporter")
    calls.append(f"{nodes.current.get()}")


@pytest.mark.parametrize("reporter", ["send_soon", "send_now"])
async def test_what_a_reporter_sends_is_in_no_trace(settings: Any, reporter: str) -> None:
    use(settings, True, reporter, "keep")
    await AsyncClient().get("/pay/")
    await sync_to_async(Client().get)("/pay/")

    assert calls == ["view", "None"] * 2
    assert outlines() == ["paid.send  sender='the shop'\n  receipt"] * 2


# What ends a request, and what does not


class Unlike(BaseException):
    pass


RAISED = (SystemExit, Unlike, asyncio.CancelledError, LookupError, MemoryError, RecursionError)


def raises(error: type[BaseException]) -> tuple[str, str]:
    """The names of a sync and of an async callable that raise."""

    def now(given: Any) -> bool:
        raise error("of the setting")

    async def soon(given: Any) -> bool:
        await asyncio.sleep(0)
        raise error("of the setting")

    for each in (now, soon):
        globals()[f"{each.__name__}_{error.__name__}"] = each
    return f"now_{error.__name__}", f"soon_{error.__name__}"


RAISING = [name for error in RAISED for name in raises(error)]


@pytest.mark.parametrize("name", RAISING)
def test_nothing_that_the_setting_names_ends_a_sync_request(
    settings: Any, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    use(settings, name)
    assert [Client().get("/pay/").content for _ in range(2)] == [b"paid"] * 2
    reporting._logged.clear()
    use(settings, True, name, "keep")
    assert [Client().get("/pay/").content for _ in range(2)] == [b"paid"] * 2

    assert len(traces) == 2
    assert [message.split(" ")[0] for message in logged(caplog)] == [
        "SIGNAL_TRACER['ENABLED']",
        "The",
    ]


@pytest.mark.parametrize("name", RAISING)
async def test_nothing_that_the_setting_names_ends_an_async_request(
    settings: Any, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    client = AsyncClient()
    use(settings, name)
    assert [(await client.get("/pay-soon/")).content for _ in range(2)] == [b"paid"] * 2
    reporting._logged.clear()
    use(settings, True, name, "keep")
    assert [(await client.get("/pay-soon/")).content for _ in range(2)] == [b"paid"] * 2

    assert len(traces) == 2
    assert len(logged(caplog)) == 2


interrupting = raises(KeyboardInterrupt)


@pytest.mark.parametrize("name", interrupting)
def test_a_persons_interrupt_gets_through(
    settings: Any, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    for enabled, reporters in ((name, []), (True, [name])):
        use(settings, enabled, *reporters)
        with pytest.raises(KeyboardInterrupt):
            SignalTracerMiddleware(pay)(RequestFactory().get("/pay/"))

    assert logged(caplog) == []


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_the_end_that_a_view_makes_is_the_very_one(settings: Any, error: Any) -> None:
    use(settings, True, "now_SystemExit", "keep")
    raised = error("in the view")

    def end(request: HttpRequest) -> HttpResponse:
        raise raised

    with pytest.raises(error) as caught:
        SignalTracerMiddleware(end)(RequestFactory().get("/pay/"))

    assert caught.value is raised
    assert len(traces) == 1


# Answers that are none


class Untold:
    def __bool__(self) -> bool:
        raise ArithmeticError("neither")


def untold(request: HttpRequest) -> Untold:
    return Untold()


def no_lazily(request: HttpRequest) -> Any:
    return SimpleLazyObject(list)


def yes_lazily(request: HttpRequest) -> Any:
    return SimpleLazyObject(lambda: [1])


class Decides:
    def __init__(self, request: HttpRequest) -> None:
        self.path = request.path

    def __bool__(self) -> bool:
        return self.path == "/pay/"


def in_parts(given: Any) -> Iterator[bool]:
    calls.append("in parts")
    yield True


async def in_async_parts(given: Any) -> Any:
    calls.append("in parts")
    yield True


@pytest.mark.parametrize(
    ("name", "names"),
    [("no_lazily", []), ("yes_lazily", ["GET /look/", "GET /pay/"]), ("Decides", ["GET /pay/"])],
)
def test_an_answer_counts_by_its_truth(settings: Any, name: str, names: list[str]) -> None:
    use(settings, name, "keep")
    for address in ("/look/", "/pay/"):
        Client().get(address)

    assert [trace.name for trace in traces] == names


@pytest.mark.parametrize("name", ["untold", "in_parts", "in_async_parts"])
async def test_an_answer_that_cannot_be_understood_is_logged_once(
    settings: Any, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    use(settings, name, "keep")
    await AsyncClient().get("/look/")
    await sync_to_async(Client().get)("/look/")

    assert traces == []
    assert len(logged(caplog)) == 1


@pytest.mark.parametrize("name", ["in_parts", "in_async_parts"])
async def test_a_reporter_that_nobody_runs_is_logged_once(
    settings: Any, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    use(settings, True, name, "keep")
    await AsyncClient().get("/look/")
    await sync_to_async(Client().get)("/look/")

    assert (len(traces), calls) == (2, [])
    assert logged(caplog) == [
        (
            f"The reporter 'test_middleware.{name}' of SIGNAL_TRACER['REPORTERS'] failed; "
            "the request went on."
        ),
    ]
    assert f"test_middleware.{name} returned a generator, of which no code has run." in caplog.text


def report_lazily(trace: Trace) -> Any:
    return SimpleLazyObject(lambda: calls.append("set up"))


def test_what_a_reporter_returns_is_left_alone(settings: Any) -> None:
    use(settings, True, "report_lazily")
    Client().get("/look/")

    assert calls == []


@pytest.mark.parametrize("key", ["ENABLED", "REPORTERS"])
def test_a_module_that_exits_when_it_is_imported_ends_no_request(
    settings: Any,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
    key: str,
) -> None:
    (tmp_path / "module_that_exits.py").write_text("raise SystemExit(3)")
    monkeypatch.syspath_prepend(tmp_path)
    path_of_it = "module_that_exits.report"
    settings.SIGNAL_TRACER = {"ENABLED": True} | {
        key: path_of_it if key == "ENABLED" else [path_of_it]
    }

    assert [Client().get("/pay/").content for _ in range(2)] == [b"paid"] * 2
    assert len(logged(caplog)) == 1
