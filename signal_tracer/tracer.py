"""A trace is started and stopped: ``trace_signals()``."""

from __future__ import annotations

import threading
from contextvars import Token
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import Any

from signal_tracer.collecting import clock, nodes, signals
from signal_tracer.collecting.nodes import Node, Root, current, fenced
from signal_tracer.collecting.reading import conceal, read
from signal_tracer.collecting.recorder import Recorder
from signal_tracer.collecting.routes import note_near_misses
from signal_tracer.collecting.watching import WATCHERS
from signal_tracer.conf import read_config, slow_share
from signal_tracer.describing.arguments import kind_of, want_switch, want_text
from signal_tracer.describing.names import describe_receiver, name_of_signal
from signal_tracer.describing.values import name_of_sender
from signal_tracer.records import Request
from signal_tracer.trace import Role, Trace

__all__ = ["trace_signals", "uninstall"]

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

    ``name``: what is traced, for whoever reads it. ``request``: the HTTP request it belongs to.
    Raises ``TypeError`` for another kind of argument, and ``RuntimeError`` when entered a second
    time: each ``with`` wants a trace of its own.
    """

    def __init__(
        self, name: str = "", *, all_threads: bool = False, request: Request | None = None
    ) -> None:
        __tracebackhide__ = True
        want_text("name", name)
        want_switch("all_threads", all_threads)
        if request is not None and type(request) is not Request:
            raise TypeError(f"request= wants a Request, and was given {kind_of(request)}.")
        self._name = name
        self._all_threads = all_threads
        self._request = request
        self._root: Root | None = None
        self._token: Token[Node | None] | None = None
        self._waited = (0, 0)

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
        recorder = Recorder(config)
        self._root = Root(recorder, nodes.nearest_running(current.get()))
        self._token = current.set(self._root)
        if self._all_threads:
            nodes.watch_everywhere(recorder)
        for each in WATCHERS:
            each.start(recorder)
        self._waited = threading.get_ident(), clock.waited()
        return Trace(
            self._name,
            started_at=datetime.now(UTC),
            request=self._request,
            slow_after=config.slow_receiver_ms / 1000,
            slow_share=slow_share(),
            ignore_findings=config.ignore_findings,
            read=partial(read, recorder),
            name_of=_name_of,
            conceal=partial(conceal, recorder),
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
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


def uninstall() -> None:
    """Give Django its own methods back, until the next trace. Raises nothing.

    The tracer stays installed after the first trace, because that is cheaper than to come and
    go; tests that compare ``vars(Signal)`` may want this.
    """
    with _installing:
        signals.uninstall()
        for each in WATCHERS:
            each.uninstall()


def _name_of(role: Role, live: Any) -> str:
    if role == "signal":
        return name_of_signal(live)
    return name_of_sender(live) if role == "sender" else describe_receiver(live).name
