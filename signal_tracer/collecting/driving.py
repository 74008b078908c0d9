"""A coroutine is run with a context variable set while it runs, and not while it waits.

Since Django 6.1 the async receivers of a dispatch share one ``contextvars.Context``: what one
leaves set while it waits, its siblings would find, and so would the sender afterwards.
"""

from __future__ import annotations

import types
from collections.abc import Generator
from contextvars import ContextVar
from typing import Any

from signal_tracer.collecting.patching import hide_file, hide_from_stacklevel

hide_file(__file__)

_NOTHING_YET: Any = object()


@types.coroutine
def drive(
    coroutine: Any, variable: ContextVar[Any], value: Any, awaited: Any = _NOTHING_YET
) -> Generator[Any, Any, Any]:
    """Run ``coroutine`` with ``variable`` set while it runs, and not while it waits.

    ``awaited``: what it waits for, if it has begun.
    """
    __traceback_hide__ = __tracebackhide__ = True
    step, sent, leaving = coroutine.send, None, None
    while True:
        if awaited is _NOTHING_YET:
            token = variable.set(value)
            try:
                awaited = step(sent)
            except StopIteration as stop:
                return stop.value
            finally:
                # It may have set it for longer, as a trace does that goes on over the wait.
                value = variable.get()
                variable.reset(token)
                sent = None
        try:
            sent = yield awaited
            step = coroutine.send
        except GeneratorExit as error:
            leaving = error
        except BaseException as error:
            step, sent = coroutine.throw, error
        if leaving is not None:
            # Out of the handler, or the receiver's exceptions would have it as their context.
            token = variable.set(value)
            try:
                coroutine.close()
            finally:
                variable.reset(token)
            raise leaving
        # An exception, or a future that has one, would keep alive the frames that it passes.
        awaited = _NOTHING_YET


hide_from_stacklevel(drive, "receiver")
