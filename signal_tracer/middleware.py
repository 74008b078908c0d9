"""The place where a request gets a trace: ``SignalTracerMiddleware``."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.module_loading import import_string

from signal_tracer.conf import read_config
from signal_tracer.records import Request
from signal_tracer.trace import Trace
from signal_tracer.tracer import trace_signals

logger = logging.getLogger("signal_tracer")

Answer = HttpResponseBase | Awaitable[HttpResponseBase]


class SignalTracerMiddleware:
    """Traces each request and gives the finished trace to ``SIGNAL_TRACER["REPORTERS"]``.

    Put it first in ``MIDDLEWARE``, so that the signals of other middleware are in the trace. It
    removes itself when ``ENABLED`` is plainly off (Django's ``MiddlewareNotUsed``). What a
    streaming response sends while it streams is not in the trace, which ends when the response
    object comes back.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Answer]) -> None:
        enabled = read_config().enabled
        if enabled is False or (enabled is None and not settings.DEBUG):
            raise MiddlewareNotUsed("SIGNAL_TRACER['ENABLED'] is off.")
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Answer:
        if self._is_async:
            return self._acall(request)
        if not _is_wanted(request):
            return self.get_response(request)
        with _traced(request) as trace:
            response = cast("HttpResponseBase", self.get_response(request))
            _note_status(trace, response)
        return response

    async def _acall(self, request: HttpRequest) -> HttpResponseBase:
        get_response = cast(
            "Callable[[HttpRequest], Awaitable[HttpResponseBase]]", self.get_response
        )
        if not _is_wanted(request):
            return await get_response(request)
        with _traced(request) as trace:
            response = await get_response(request)
            _note_status(trace, response)
        return response


def _is_wanted(request: HttpRequest) -> bool:
    enabled = read_config().enabled
    if not isinstance(enabled, str):
        return settings.DEBUG if enabled is None else enabled
    try:
        return bool(import_string(enabled)(request))
    except Exception:
        _log_once(
            enabled,
            "SIGNAL_TRACER['ENABLED'] is %r, which failed; requests are not traced while it does.",
        )
        return False


@contextmanager
def _traced(request: HttpRequest) -> Iterator[Trace]:
    """A trace that is reported once it has ended, also when the request is never answered."""
    method = request.method or "?"
    trace = None
    try:
        with trace_signals(
            f"{method} {request.path}", request=Request(method, request.path)
        ) as trace:
            yield trace
    finally:
        if trace is not None:
            _report(trace)


def _note_status(trace: Trace, response: HttpResponseBase) -> None:
    if trace.request is not None:
        trace.request = Request(trace.request.method, trace.request.path, response.status_code)


def _report(trace: Trace) -> None:
    for path in read_config().reporters:
        try:
            import_string(path)(trace)
        except Exception:
            _log_once(
                path, "The reporter %r of SIGNAL_TRACER['REPORTERS'] failed; the request went on."
            )


def _log_once(path: str, message: str) -> None:
    # Once a path: a reporter that fails would otherwise fill the log, one record a request.
    if path not in _logged:
        _logged.add(path)
        logger.exception(message, path)


_logged: set[str] = set()
