"""Sampling: whether what begins here is one of those that ``SAMPLE_RATE`` has traced.

Who begins is asked, once and before anything is recorded: a request, a task or a decorated
function. What runs inside of it follows, and so does a task that it queues, wherever that runs;
OpenTelemetry's sampler that is based on the parent does the same. To ask anew there would trace
more than the rate says, and half of what belongs together.
"""

from __future__ import annotations

import os
from contextvars import ContextVar, Token
from random import Random
from types import TracebackType

from signal_tracer.collecting import nodes
from signal_tracer.conf import sample_rate

# Not the numbers of the module random, which somebody may have asked for with a seed; and not
# os.urandom(), each call of which asks the system.
_numbers = Random()
draw = _numbers.random

if hasattr(os, "register_at_fork"):  # Workers that a server forks would all draw the same.
    os.register_at_fork(after_in_child=_numbers.seed)

_is_unsampled: ContextVar[bool] = ContextVar("signal_tracer.unsampled", default=False)


def is_sampled() -> bool:
    """Whether what begins here is to be traced, as far as ``SAMPLE_RATE`` goes."""
    rate = sample_rate()
    if rate == 0 or _is_unsampled.get():
        return False
    return rate == 1 or _is_traced_here() or draw() < rate


def is_unsampled() -> bool:
    """Whether this runs inside of something that is not traced because of ``SAMPLE_RATE``."""
    return _is_unsampled.get()


class unsampled:  # noqa: N801  # used as `with unsampled():`
    """What runs in this block is not to be traced, nor is a task that it queues."""

    __slots__ = ("_token",)

    def __enter__(self) -> None:
        self._token: Token[bool] = _is_unsampled.set(True)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:  # noqa: SIM105  # half as quick
            _is_unsampled.reset(self._token)
        except ValueError:  # A coroutine that nobody runs any more is closed in another context.
            pass

    async def __aenter__(self) -> None:
        self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)


def _is_traced_here() -> bool:
    node = nodes.current.get()
    return nodes.everywhere is not None or (
        node is not None and nodes.nearest_running(node) is not None
    )
