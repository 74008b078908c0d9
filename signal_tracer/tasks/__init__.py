"""A task gets a trace: what Celery's workers and Django's have in common."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

from django.conf import settings

from signal_tracer import plain
from signal_tracer.collecting import nodes
from signal_tracer.collecting.reading import conceal
from signal_tracer.collecting.recorder import Recorder
from signal_tracer.conf import read_config, sample_rate, settings_can_be_read
from signal_tracer.records import Origin, Task
from signal_tracer.sampling import is_sampled, is_unsampled, unsampled
from signal_tracer.trace import Trace
from signal_tracer.tracer import reported

logger = logging.getLogger("signal_tracer")

# Under this name a message carries where its task was queued.
LINK = "signal_tracer"
# What it carries instead, where SAMPLE_RATE has decided that nothing of it is traced.
UNSAMPLED = "unsampled"
# Of a path, which may be of any length; and of all that a message may say, as JSON.
_LONGEST, _LONGEST_LINK = 200, 4_000


def is_plainly_off() -> bool:
    """Whether no task is traced, whatever queued it."""
    enabled = read_config().enabled if settings_can_be_read() else False
    return not (settings.DEBUG if enabled is None else enabled) or sample_rate() == 0


def is_wanted(queued_by: Origin | None) -> bool:
    """Whether a task that was queued so is traced.

    A callable in ``ENABLED`` decides about requests: a task follows the one that queued it.
    """
    if is_plainly_off():
        return False
    of_request = queued_by is not None and queued_by.request is not None
    return of_request or not isinstance(read_config().enabled, str)


class Run:
    """One run of a task while it is traced; ``start_run()`` begins it."""

    __slots__ = ("_tracing", "task", "trace")

    def __init__(self, task: Task) -> None:
        self.task = task
        self._tracing = reported(task.name, task=task)
        self.trace: Trace = self._tracing.__enter__()

    def end(self, state: str | None) -> None:
        """End the trace, and give it to the reporters. ``state``: ``None`` if not known."""
        with self._survived(state):
            self._tracing.__exit__(None, None, None)

    async def aend(self, state: str) -> None:
        """The same where reporters can be awaited."""
        with self._survived(state):
            await self._tracing.__aexit__(None, None, None)

    @contextmanager
    def _survived(self, state: str | None) -> Iterator[None]:
        try:
            if state is not None:
                self.trace.note_state(state)
            yield
        except Exception:
            say_once("The trace of the task %r did not end as it should.", self.task.name)


class UnsampledRun:
    """One run of a task that is not traced, nor is what it queues: ``SAMPLE_RATE`` decided so."""

    __slots__ = ("_block", "task")

    def __init__(self, task: Task) -> None:
        self.task = task
        self._block = unsampled()
        self._block.__enter__()

    def end(self, state: str | None) -> None:
        self._block.__exit__(None, None, None)

    async def aend(self, state: str) -> None:
        self.end(state)


def start_run(task: Task, link: object = None) -> Run | UnsampledRun | None:
    """Trace the task from now on, or mark it as not sampled; ``None`` if it is not wanted, or
    could not be done. ``link``: what its message says of where it was queued.
    """
    try:
        if not is_wanted(task.queued_by):
            return None
        # It follows what queued it, whatever the rate of this process.
        if task.queued_by is None and (_says_unsampled(link) or not is_sampled()):
            return UnsampledRun(task)
        return Run(task)
    except Exception:
        say_once("The task %r could not be traced, and runs as without a trace.", task.name)
        return None


def origin_here() -> Origin | None:
    """What a task that is queued here is to carry: of the innermost trace of a request or a task,
    else of the innermost one; ``None`` where nothing is traced, or not to be traced.
    """
    if is_unsampled():
        return None
    node = nodes.nearest_running(nodes.current.get()) or nodes.everywhere
    recorders = () if node is None else node.recorders.all
    found = [each for each in recorders if each.origin is not None]
    if not found:
        return None
    return _shown(next((each for each in reversed(found) if each.is_of_request_or_task), found[-1]))


def _shown(recorder: Recorder) -> Origin:
    """Its origin without secrets, and short: a broker is no place for either."""
    origin = recorder.origin
    assert origin is not None
    request = origin.request
    if request is not None:
        path = conceal(recorder, request.path)[:_LONGEST]
        request = replace(request, path=path, method=request.method[:_LONGEST])
    return replace(origin, name=conceal(recorder, origin.name)[:_LONGEST], request=request)


def link_here() -> str | None:
    """The same as it is written into a message."""
    if is_unsampled():
        return UNSAMPLED
    origin = origin_here()
    return None if origin is None else json.dumps(plain.write(origin))


def read_link(link: object) -> Origin | None:
    """The origin that ``link_here()`` wrote; ``None`` for all else, which anybody may have sent."""
    if type(link) is not str or len(link) > _LONGEST_LINK:
        return None
    try:
        return plain.read(Origin, json.loads(link))
    except (ValueError, RecursionError):
        return None


def hand_on(link: object) -> str | None:
    """The same ``link`` for another message, if we wrote it."""
    is_ours = _says_unsampled(link) or read_link(link) is not None
    return cast("str", link) if is_ours else None


def _says_unsampled(link: object) -> bool:
    return type(link) is str and link == UNSAMPLED


def say_once(message: str, about: Any) -> None:
    """Log what failed, once a message: a worker would fill its log, one a task."""
    if message not in _said:
        _said.add(message)
        logger.exception(message, about)


_said: set[str] = set()
