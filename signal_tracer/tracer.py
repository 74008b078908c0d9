"""A trace is started and stopped: ``trace_signals()``."""

from __future__ import annotations

import functools
import inspect
import os
import threading
from collections.abc import Callable, Sequence
from contextvars import Token
from datetime import UTC, datetime
from functools import partial
from types import FunctionType, TracebackType
from typing import Any, ParamSpec, TypeVar, cast

from asgiref.sync import iscoroutinefunction

from signal_tracer.collecting import clock, nodes, signals
from signal_tracer.collecting.accompanying import accompany
from signal_tracer.collecting.nodes import Node, Root, current, fenced
from signal_tracer.collecting.patching import Watcher, hide_from_stacklevel
from signal_tracer.collecting.reading import conceal, read
from signal_tracer.collecting.recorder import Recorder
from signal_tracer.collecting.routes import note_near_misses
from signal_tracer.collecting.watching import WATCHERS
from signal_tracer.conf import Config, read_config, slow_share
from signal_tracer.describing.arguments import kind_of, want_switch, want_text
from signal_tracer.describing.names import describe_receiver, is_a, name_of_signal
from signal_tracer.describing.values import name_of_sender
from signal_tracer.records import Origin, Request, Task
from signal_tracer.reporting import (
    Accompanied,
    Reporter,
    accompanied,
    ahand_over,
    hand_over,
    is_kind,
    reporters_of_setting,
    wanted,
)
from signal_tracer.sampling import is_sampled, unsampled
from signal_tracer.trace import Role, Trace

__all__ = ["reported", "trace_signals", "uninstall"]

Given = ParamSpec("Given")
Answer = TypeVar("Answer")

# Two threads that start their first trace at once would each put theirs around Django's.
_installing = threading.RLock()


class trace_signals:  # noqa: N801  # used as `with trace_signals():`, like contextlib.suppress
    """Trace the signals that are dispatched in a ``with`` block::

        with trace_signals("checkout") as trace:
            order.save()
        print(trace)

    The block may be in sync or async code, inside another trace, in any thread. It sees its own
    context: what it calls, awaits, or starts as an ``asyncio`` task or through ``sync_to_async``.
    A thread started by hand has a context of its own; ``all_threads=True`` watches the whole
    process instead.

    As a decorator of a function, a method or a coroutine function it traces each call::

        @trace_signals("nightly import")
        def import_orders(): ...

    Each call has a trace of its own, also one inside another of the same function. It is named
    after the function unless a name is given, and given to the reporters when the call has
    ended, however it ended. Where nobody is to be given a trace, nothing is traced. Of the calls
    whose traces go to the reporters of the setting, ``SAMPLE_RATE`` is the share that is traced;
    with ``reporters`` of its own, each is.

    ``name``: what is traced, for whoever reads it. ``request``, ``task``: what it belongs to.
    ``reporters``: who is given the finished trace: dotted paths or callables, sync or async. By
    default those of ``SIGNAL_TRACER["REPORTERS"]`` as a decorator, and nobody in a ``with`` block.
    For async reporters in async code, write ``async with``.

    Raises ``TypeError`` for another kind of argument, ``ImportError`` for a reporter that cannot
    be imported, and ``RuntimeError`` when entered a second time: each ``with`` wants a trace of
    its own. As a decorator, it raises ``TypeError`` for a generator function, whose code does not
    run while it is called.
    """

    def __init__(
        self,
        name: str = "",
        *,
        all_threads: bool = False,
        request: Request | None = None,
        task: Task | None = None,
        reporters: Sequence[Reporter] | None = None,
    ) -> None:
        __tracebackhide__ = True
        if any(is_a(name, each) for each in (FunctionType, classmethod, staticmethod)):
            raise TypeError(
                f"name= wants a str, and was given {kind_of(name)}. As a decorator, write "
                "@trace_signals() with its parentheses."
            )
        want_text("name", name)
        want_switch("all_threads", all_threads)
        if request is not None and type(request) is not Request:
            raise TypeError(f"request= wants a Request, and was given {kind_of(request)}.")
        if task is not None and type(task) is not Task:
            raise TypeError(f"task= wants a Task, and was given {kind_of(task)}.")
        self._given = None if reporters is None else wanted(reporters)
        self._reporters = self._given or ()
        self._name = name
        self._all_threads = all_threads
        self._request = request
        self._task = task
        self._root: Root | None = None
        self._token: Token[Node | None] | None = None
        self._waited = (0, 0)
        self._make_recorder: Callable[[Config], Recorder] = Recorder
        # While it runs, if somebody is to be given it.
        self._trace: Trace | None = None
        self._process = 0

    def __call__(self, function: Callable[Given, Answer]) -> Callable[Given, Answer]:
        """``function`` with a trace of each call."""
        __tracebackhide__ = True
        for kind in (classmethod, staticmethod):
            if is_a(function, kind):
                return cast("Callable[Given, Answer]", kind(self(cast("Any", function).__func__)))
        name = describe_receiver(function).name
        _refuse_to_decorate(function, name)
        name = self._name or name

        def block_of_call() -> trace_signals | unsampled | None:
            reporters = reporters_of_setting() if self._given is None else self._given
            if not reporters:
                return None
            if self._given is None and not is_sampled():
                return unsampled()
            block = trace_signals(name, all_threads=self._all_threads, request=self._request)
            block._reporters = reporters
            return block

        if is_kind(iscoroutinefunction, function):

            async def traced_coroutine(*args: Given.args, **named: Given.kwargs) -> Any:
                __traceback_hide__ = __tracebackhide__ = True
                block = block_of_call()
                if block is None:
                    return await cast("Any", function(*args, **named))
                async with block:
                    return await cast("Any", function(*args, **named))

            return cast("Callable[Given, Answer]", _stand_for(function, traced_coroutine))

        def traced(*args: Given.args, **named: Given.kwargs) -> Answer:
            __traceback_hide__ = __tracebackhide__ = True
            block = block_of_call()
            if block is None:
                return function(*args, **named)
            with block:
                return function(*args, **named)

        return cast("Callable[Given, Answer]", _stand_for(function, traced))

    def __enter__(self) -> Trace:
        if self._root is not None:
            raise RuntimeError(
                "This trace_signals() was entered before, and a trace starts once. "
                "Write `with trace_signals() as trace:` with a new one."
            )
        config = read_config()
        with _installing:
            signals.install()
            for each in WATCHERS:
                each.install(config)
        self._reporters = accompanied(self._reporters)
        recorder = self._make_recorder(config)
        recorder.origin = origin = self._origin()  # At once: both read the time.
        for reporter in self._reporters:
            if type(reporter) is Accompanied:
                accompany(recorder, reporter.companion.begun)
        recorder.is_of_request_or_task = bool(self._request or self._task)
        self._root = Root(recorder, nodes.nearest_running(current.get()))
        self._token = current.set(self._root)
        if self._all_threads:
            nodes.watch_everywhere(recorder)
        started: list[Watcher] = []
        try:
            for each in WATCHERS:
                each.start(recorder)
                started.append(each)
            trace = self._begun(config, recorder, origin)
        except BaseException:  # Near the recursion limit: nothing may be left of it.
            recorder.stop()
            for each in started:
                each.stop(recorder)
            nodes.leave_everywhere(recorder)
            current.reset(self._token)
            raise
        self._trace = trace if self._reporters else None
        self._process = os.getpid()
        return trace

    def _begun(self, config: Config, recorder: Recorder, origin: Origin) -> Trace:
        self._waited = threading.get_ident(), clock.waited()
        return Trace(
            self._name,
            started_at=origin.started_at,
            request=self._request,
            task=self._task,
            trace_id=origin.id,
            slow_after=config.slow_receiver_ms / 1000,
            slow_share=slow_share(),
            ignore_findings=config.ignore_findings,
            read=partial(read, recorder),
            name_of=_name_of,
            conceal=partial(conceal, recorder),
        )

    def _origin(self) -> Origin:
        """What a task that is queued in this trace says of it."""
        request = self._request
        if request is None and self._task is not None and self._task.queued_by is not None:
            request = self._task.queued_by.request
        # Not by random, whose numbers somebody may have asked for with a seed.
        return Origin(self._name, datetime.now(UTC), os.urandom(8).hex(), request)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()  # From here: each frame more would be missing near the recursion limit.
        trace = self._taken()
        if trace is not None:
            hand_over(trace, self._reporters)

    async def __aenter__(self) -> Trace:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None and issubclass(kind, GeneratorExit):
            # Nobody runs this any more, and so nothing can be awaited.
            self.__exit__(kind, error, traceback)
            return
        self._stop()  # From here: each frame more would be missing near the recursion limit.
        trace = self._taken()
        if trace is not None:
            await ahand_over(trace, self._reporters)

    def _taken(self) -> Trace | None:
        """The trace that has ended, if somebody is to be given it.

        By the process that began it: one that was forked meanwhile has a copy of it.
        """
        trace, self._trace = self._trace, None
        return trace if self._process == os.getpid() else None

    def _stop(self) -> None:
        root = self._root
        recorder = None if root is None else root.recorder
        if root is None or recorder is None:
            return
        thread, before = self._waited
        if thread == threading.get_ident():
            recorder.waited = max(clock.waited() - before, 0)
        with fenced("to see who did not hear a signal", root):
            note_near_misses(recorder)
        recorder.stop()
        for each in WATCHERS:
            each.stop(recorder)
        nodes.leave_everywhere(recorder)
        node = current.get()
        if node is root and self._token is not None:
            try:
                current.reset(self._token)
            except ValueError:  # Ended in another context than it was started in.
                current.set(root.outer)
            around = current.get()
            if type(around) is Root and around.recorder is None:
                current.set(nodes.nearest_running(around))
        elif type(node) is Root:
            # Ended before a trace inside it: that one goes on, and forgets this one.
            current.set(nodes.nearest_running(node))
        self._token = None


def reported(
    name: str = "",
    *,
    all_threads: bool = False,
    request: Request | None = None,
    task: Task | None = None,
    reporters: Sequence[str] | None = None,
    make_recorder: Callable[[Config], Recorder] = Recorder,
) -> trace_signals:
    """The same, whose finished trace is given to the reporters of the setting.

    For whatever traces on its own: the middleware, a command, a task. A wrong reporter is logged
    where it is needed, and disturbs nobody. ``reporters``: those of the setting that are wanted,
    if not all. ``make_recorder``: of a trace that somebody follows.
    """
    tracing = trace_signals(name, all_threads=all_threads, request=request, task=task)
    tracing._reporters = reporters_of_setting() if reporters is None else tuple(reporters)
    tracing._make_recorder = make_recorder
    return tracing


def uninstall() -> None:
    """Give Django its own methods back, until the next trace. Raises nothing.

    The tracer stays installed after the first trace, because that is cheaper than to come and
    go; tests that compare ``vars(Signal)`` may want this.
    """
    with _installing:
        signals.uninstall()
        for each in WATCHERS:
            each.uninstall()


def _stand_for(function: Any, traced: Any) -> Any:
    """``traced`` in its place, also for warnings that are to name who called it."""
    return hide_from_stacklevel(functools.wraps(function)(traced), "trace_signals")


def _refuse_to_decorate(function: Any, name: str) -> None:
    __tracebackhide__ = True
    if is_a(function, type):
        raise TypeError(f"{name} is a class: decorate those of its methods that are to be traced.")
    if not callable(function):
        raise TypeError(f"@trace_signals() wants a function, and was given {kind_of(function)}.")
    for kind, loop in (
        (inspect.isgeneratorfunction, "for"),
        (inspect.isasyncgenfunction, "async for"),
    ):
        if is_kind(kind, function):
            raise TypeError(
                f"{name} is a generator function: its code runs after the call, whenever somebody "
                "asks for the next value, and a trace of the call would hold nothing of it. Write "
                f"`with trace_signals():` around the `{loop}` loop that goes over it."
            )


def _name_of(role: Role, live: Any) -> str:
    if role == "signal":
        return name_of_signal(live)
    return name_of_sender(live) if role == "sender" else describe_receiver(live).name
