"""A request gets a trace: ``SignalTracerMiddleware``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from signal_tracer.conf import read_config, sample_rate
from signal_tracer.records import Request
from signal_tracer.reporting import arun, run, survived
from signal_tracer.sampling import is_sampled, unsampled
from signal_tracer.tracer import reported, trace_signals

Answer = HttpResponseBase | Awaitable[HttpResponseBase]


class SignalTracerMiddleware:
    """Traces each request and gives the finished trace to ``SIGNAL_TRACER["REPORTERS"]``.

    Put it first in ``MIDDLEWARE``, so that the signals of other middleware are in the trace. It
    removes itself when ``ENABLED`` is plainly off or ``SAMPLE_RATE`` is 0 (Django's
    ``MiddlewareNotUsed``). What a streaming response sends while it streams is not in the trace,
    which ends when the response object comes back.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Answer]) -> None:
        enabled = read_config().enabled
        if enabled is False or (enabled is None and not settings.DEBUG):
            raise MiddlewareNotUsed("SIGNAL_TRACER['ENABLED'] is off.")
        if sample_rate() == 0:
            raise MiddlewareNotUsed("SIGNAL_TRACER['SAMPLE_RATE'] is 0.")
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Answer:
        if self._is_async:
            return self._acall(request)
        if not is_sampled():  # Before a callable in ENABLED, which may cost anything, is asked.
            with unsampled():
                return self.get_response(request)
        if not _is_wanted(request):
            return self.get_response(request)
        with _traced(request) as trace:
            response = cast("HttpResponseBase", self.get_response(request))
            trace.note_status(response.status_code)
        return response

    async def _acall(self, request: HttpRequest) -> HttpResponseBase:
        get_response = cast(
            "Callable[[HttpRequest], Awaitable[HttpResponseBase]]", self.get_response
        )
        if not is_sampled():
            with unsampled():
                return await get_response(request)
        if not await _ais_wanted(request):
            return await get_response(request)
        async with _traced(request) as trace:
            response = await get_response(request)
            trace.note_status(response.status_code)
        return response


def _traced(request: HttpRequest) -> trace_signals:
    method = request.method or "?"
    return reported(f"{method} {request.path}", request=Request(method, request.path))


def _is_wanted(request: HttpRequest) -> bool:
    enabled = read_config().enabled
    if not isinstance(enabled, str):
        return settings.DEBUG if enabled is None else enabled
    with survived(enabled, _switch_failed):
        return bool(run(enabled, request))
    return False


async def _ais_wanted(request: HttpRequest) -> bool:
    enabled = read_config().enabled
    if not isinstance(enabled, str):
        return settings.DEBUG if enabled is None else enabled
    with survived(enabled, _switch_failed):
        return bool(await arun(enabled, request))
    return False


def _switch_failed(path: str) -> str:
    return (
        f"SIGNAL_TRACER['ENABLED'] is {path!r}, which failed; requests are not traced while it "
        "does."
    )
