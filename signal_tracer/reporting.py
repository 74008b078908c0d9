"""Finished traces are given to reporters: those of the setting, or those of one trace.

They may be async: awaited where the traced code is, and elsewhere run as Django itself runs async
code there, by ``async_to_sync()``. What they raise is logged, and disturbs nobody.
"""

from __future__ import annotations

import logging
from asyncio import CancelledError, current_task
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from inspect import isasyncgenfunction, iscoroutine, isgeneratorfunction
from types import AsyncGeneratorType, GeneratorType
from typing import Any, Protocol, TypeAlias, TypeGuard, cast

from asgiref.sync import async_to_sync
from django.core.exceptions import AppRegistryNotReady
from django.utils.module_loading import import_string

from signal_tracer.conf import read_config
from signal_tracer.describing.arguments import kind_of
from signal_tracer.describing.names import describe_receiver, find_all_in_class, is_a
from signal_tracer.trace import Trace
from signal_tracer.wording import printable

logger = logging.getLogger("signal_tracer")

Reporter: TypeAlias = "str | Callable[[Trace], object]"
Named: TypeAlias = "str | Callable[[Any], object]"  # The setting names more than reporters.


class Companion(Protocol):
    """What a reporter's ``accompany()`` returns: it goes along with one trace, and is given it.

    A reporter runs when the traced code has ended. What it wants to know of the moment itself,
    such as another tool's span that was active, its companion asks while the code runs.
    """

    def begun(self, started_at: float) -> None:
        """Called in the midst of the traced code, by each dispatch and bypass outside of any
        receiver call: its ``started_at``, in seconds since the trace began. It is to be quick;
        what it raises is logged once and counted in ``Trace.faults``."""
        ...

    def __call__(self, trace: Trace) -> object:
        """The finished trace, in place of the reporter."""
        ...


class Accompanied:
    """A companion, under the name of its reporter."""

    __slots__ = ("companion", "name")

    def __init__(self, name: str, companion: Companion) -> None:
        self.name = name
        self.companion = companion

    def __call__(self, trace: Trace) -> object:
        return self.companion(trace)


def reporters_of_setting() -> tuple[str, ...]:
    """``SIGNAL_TRACER["REPORTERS"]`` as it is now."""
    return read_config().reporters


def accompanied(reporters: Sequence[Reporter]) -> tuple[Reporter, ...]:
    """The same for one trace, which is about to begin: those with ``accompany()`` go along.

    Raises nothing: what cannot be imported fails when it is needed.
    """
    return tuple([_accompanied(each) for each in reporters])


def _accompanied(reporter: Reporter) -> Reporter:
    found = look_up(reporter)[0] if isinstance(reporter, str) else reporter
    # Of its class: a mock has whatever it is asked for.
    if any(True for _ in find_all_in_class(type(found), "accompany")):
        name = name_of(reporter)
        with survived(name, lambda name: f"The reporter {name!r} does not accompany the trace."):
            return Accompanied(name, cast("Any", found).accompany())
    return reporter


def hand_over(trace: Trace, reporters: Iterable[Reporter]) -> None:
    """Give the finished ``trace`` to each, in order. Raises nothing but a person's Ctrl-C."""
    for each in reporters:
        with survived(name_of(each), lambda name: _reporter_failed(name, trace)):
            run(each, trace)


async def ahand_over(trace: Trace, reporters: Iterable[Reporter]) -> None:
    """The same where it can be awaited. Ends as well when the task that runs it is cancelled."""
    for each in reporters:
        with survived(name_of(each), lambda name: _reporter_failed(name, trace)):
            await arun(each, trace)


def wanted(reporters: object) -> tuple[Reporter, ...]:
    """The reporters that somebody gave, each looked at before anything is traced.

    Raises ``TypeError`` for what nobody can call, and ``ImportError`` for a path that leads
    nowhere. One whose module needs Django to be set up first is looked up when it is needed.
    """
    __tracebackhide__ = True
    if not (is_a(reporters, list) or is_a(reporters, tuple)):
        raise TypeError(
            "reporters= wants a list of dotted paths and callables, and was given "
            f"{kind_of(reporters)}."
        )
    given: tuple[Reporter, ...] = tuple(reporters)  # type: ignore[arg-type]  # is_a() saw to it
    for each in given:
        error, reason = None, None
        if isinstance(each, str):
            _, reason, error = look_up(each)
        elif not callable(each):
            raise TypeError(
                f"reporters= wants dotted paths and callables, and one of them is {kind_of(each)}."
            )
        else:
            reason = why_not_called(each)
        if reason and not isinstance(error, AppRegistryNotReady):
            kind = TypeError if error is None else ImportError
            raise kind(printable(f"reporters= names {name_of(each)!r}, {reason}.")) from error
    return given


def look_up(path: str) -> tuple[object, str | None, BaseException | None]:
    """What the path leads to; why nobody can call that; and what its import raised."""
    try:
        found = import_string(path)
    except (Exception, SystemExit) as error:  # The module is the user's, and may raise anything.
        return None, f"which cannot be imported ({type(error).__name__}: {error})", error
    return found, why_not_called(found), None


def why_not_called(found: object) -> str | None:
    """Why it is no reporter, if it is none."""
    if not callable(found):
        return "which is not callable"
    if is_kind(isgeneratorfunction, found) or is_kind(isasyncgenfunction, found):
        return "which is a generator function: to call it runs none of its code"
    return None


def is_kind(kind: Callable[[object], bool], found: object) -> bool:
    """Whether the callable is of a kind of function, or an instance that is called as one."""
    if kind(found) or isinstance(found, type):
        return kind(found)
    return kind(type(found).__call__)


def name_of(reporter: Named) -> str:
    if type(reporter) is Accompanied:
        return reporter.name
    return reporter if isinstance(reporter, str) else describe_receiver(reporter).name


def _reporter_failed(name: str, trace: Trace) -> str:
    where = " of SIGNAL_TRACER['REPORTERS']" if name in reporters_of_setting() else ""
    what = "the traced code" if trace.request is None else "the request"
    return f"The reporter {name!r}{where} failed; {what} went on."


# What the setting names is called


def run(named: Named, given: object) -> object:
    """What the callable answers, once that was waited for."""
    answer = _call(named, given)
    return _wait_for(answer) if _is_awaitable(answer) else answer


async def arun(named: Named, given: object) -> object:
    """The same where it can be awaited."""
    answer = _call(named, given)
    return await answer if _is_awaitable(answer) else answer


def _call(named: Named, given: object) -> object:
    function = import_string(named) if isinstance(named, str) else named
    answer = function(given)
    if type(answer) in (GeneratorType, AsyncGeneratorType):
        raise TypeError(f"{name_of(named)} returned a generator, of which no code has run.")
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
def survived(name: str, message: Callable[[str], str]) -> Iterator[None]:
    """Whatever is raised here is logged, once a name: it would fill the log, one a trace.

    A person's Ctrl-C gets through, and so does the end of the traced task itself.
    """
    try:
        yield
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        if isinstance(error, CancelledError) and _is_cancelled():
            raise
        if name not in _logged:
            _logged.add(name)
            logger.exception("%s", message(name))


def _is_cancelled() -> bool:
    """Whether it is this task that was cancelled, and not something that a reporter awaited."""
    try:
        task = current_task()
    except RuntimeError:  # There is no event loop.
        return False
    return task is not None and task.cancelling() > 0


_logged: set[str] = set()
