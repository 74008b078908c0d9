"""A request gets a trace: ``SignalTracerMiddleware``."""

from __future__ import annotations

import logging
from asyncio import CancelledError, current_task
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from inspect import iscoroutine
from types import AsyncGeneratorType, GeneratorType
from typing import TypeGuard, cast

from asgiref.sync import async_to_sync, iscoroutinefunction, markcoroutinefunction
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
        trace = None
        try:
            with _traced(request) as trace:
                response = cast("HttpResponseBase", self.get_response(request))
                trace.note_status(response.status_code)
        finally:
            _report(trace)
        return response

    async def _acall(self, request: HttpRequest) -> HttpResponseBase:
        get_response = cast(
            "Callable[[HttpRequest], Awaitable[HttpResponseBase]]", self.get_response
        )
        if not await _ais_wanted(request):
            return await get_response(request)
        trace = None
        try:
            with _traced(request) as trace:
                response = await get_response(request)
                trace.note_status(response.status_code)
        except GeneratorExit:
            _report(trace)  # Nobody runs the request any more, and so nothing can be awaited.
            raise
        except BaseException:  # A cancelled request is reported too.
            await _areport(trace)
            raise
        await _areport(trace)
        return response


def _traced(request: HttpRequest) -> trace_signals:
    method = request.method or "?"
    return trace_signals(f"{method} {request.path}", request=Request(method, request.path))


# What the setting names may be async. It is awaited in an async request, and in a sync one run as
# Django itself runs async code there, by async_to_sync().

SWITCH = "SIGNAL_TRACER['ENABLED'] is %r, which failed; requests are not traced while it does."
REPORTER = "The reporter %r of SIGNAL_TRACER['REPORTERS'] failed; the request went on."


def _is_wanted(request: HttpRequest) -> bool:
    enabled = read_config().enabled
    if not isinstance(enabled, str):
        return settings.DEBUG if enabled is None else enabled
    with _survived(enabled, SWITCH):
        return bool(_run(enabled, request))
    return False


async def _ais_wanted(request: HttpRequest) -> bool:
    enabled = read_config().enabled
    if not isinstance(enabled, str):
        return settings.DEBUG if enabled is None else enabled
    with _survived(enabled, SWITCH):
        return bool(await _arun(enabled, request))
    return False


def _report(trace: Trace | None) -> None:
    for path in read_config().reporters if trace else ():
        with _survived(path, REPORTER):
            _run(path, trace)


async def _areport(trace: Trace | None) -> None:
    for path in read_config().reporters if trace else ():
        with _survived(path, REPORTER):
            await _arun(path, trace)


def _run(path: str, given: object) -> object:
    answer = _call(path, given)
    return _wait_for(answer) if _is_awaitable(answer) else answer


async def _arun(path: str, given: object) -> object:
    answer = _call(path, given)
    return await answer if _is_awaitable(answer) else answer


def _call(path: str, given: object) -> object:
    answer = import_string(path)(given)
    if type(answer) in (GeneratorType, AsyncGeneratorType):
        raise TypeError(f"{path} returned a generator, of which no code has run.")
    return answer


def _is_awaitable(answer: object) -> TypeGuard[Awaitable[object]]:
    return hasattr(type(answer), "__await__")  # isinstance() would set up a lazy object.


def _wait_for(awaitable: Awaitable[object]) -> object:
    async def finish() -> tuple[object, SystemExit | None]:
        try:
            return await awaitable, None
        except SystemExit as error:  # It would end the loop, which may be the server's.
            return None, error

    try:
        answer, error = async_to_sync(finish)()
    finally:
        if iscoroutine(awaitable):
            awaitable.close()  # It never began, if a loop runs in this very thread.
    if error is not None:
        raise error
    return answer


@contextmanager
def _survived(path: str, message: str) -> Iterator[None]:
    """Whatever is raised here is logged, once a path: it would fill the log, one a request.

    A person's Ctrl-C gets through, and so does the end of the request itself.
    """
    try:
        yield
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        if isinstance(error, CancelledError) and _is_cancelled():
            raise
        if path not in _logged:
            _logged.add(path)
            logger.exception(message, path)


def _is_cancelled() -> bool:
    """Whether it is this request that was cancelled, and not something that a reporter awaited."""
    try:
        task = current_task()
    except RuntimeError:  # There is no event loop.
        return False
    return task is not None and task.cancelling() > 0


_logged: set[str] = set()
