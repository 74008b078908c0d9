"""Celery's tasks get a trace each: one call in the project's ``celery.py``.

By Celery's own signals, which are not Django's: ``before_task_publish`` puts a header on the
message, ``task_prerun`` and ``task_postrun`` are sent around each run in the thread that runs it.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import Any

try:
    from celery import current_task, signals
except ImportError as error:
    raise ImportError(
        f"signal_tracer.tasks.celery needs Celery 5, which cannot be imported ({error}). "
        "Install it: pip install 'django-signal-tracer[celery]'."
    ) from error

from signal_tracer.checks import check_setting
from signal_tracer.records import Origin, Task
from signal_tracer.tasks import (
    LINK,
    Run,
    UnsampledRun,
    hand_on,
    is_plainly_off,
    link_here,
    origin_here,
    read_link,
    start_run,
)

__all__ = ["trace_tasks", "uninstall"]

logger = logging.getLogger("signal_tracer")


def trace_tasks() -> None:
    """Trace each task that this process runs, and link it to the request that queued it.

    To be called once, in the module of the Celery app, which web processes import as well. It
    reads no setting: that module may be imported while those are.
    """
    for signal, receiver in _receivers():
        signal.connect(receiver, weak=False, dispatch_uid=f"signal_tracer {receiver.__name__}")


def uninstall() -> None:
    """Trace no more tasks. Raises nothing, also if none were traced."""
    for signal, receiver in _receivers():
        signal.disconnect(dispatch_uid=f"signal_tracer {receiver.__name__}")


def _receivers() -> list[tuple[Any, Any]]:
    return [
        (signals.celeryd_after_setup, _say_what_is_wrong),
        (signals.before_task_publish, _link),
        (signals.task_prerun, _start),
        (signals.task_postrun, _stop),
    ]


# The runs of this context, the outermost first: an eager task runs inside what queued it.
_open: ContextVar[tuple[Run | UnsampledRun, ...]] = ContextVar(
    "signal_tracer_open_runs", default=()
)


def _say_what_is_wrong(**_: Any) -> None:
    """Celery runs Django's system checks, and tells nobody what they found."""
    if not is_plainly_off():
        for each in check_setting():
            logger.log(each.level, "%s %s", each.msg, each.hint or "")


def _link(headers: Any = None, **_: Any) -> None:
    # A retry is published with the headers of the first attempt, and so keeps its link.
    if type(headers) is dict and LINK not in headers and not is_plainly_off():
        link = link_here()
        if link is None and current_task:
            link = hand_on(_carried(current_task.request))
        if link is not None:
            headers[LINK] = link


def _start(task_id: str, task: Any, **_: Any) -> None:
    # Celery's own tasks look once a second whether a chord is done, and such.
    if is_plainly_off() or task.name.startswith("celery."):
        return
    request = task.request
    if not request.is_eager:
        # A worker runs one task after the other in a context: what is left was never ended.
        while _open.get():
            _close_innermost(None)
    attempt = (request.retries or 0) + 1
    queued_by = _origin(task_id, request)
    run = start_run(Task(task.name, task_id, attempt, queued_by=queued_by), _carried(request))
    if run is not None:
        _open.set((*_open.get(), run))


def _stop(task_id: str, state: str | None = None, **_: Any) -> None:
    if any(run.task.id == task_id for run in _open.get()):
        while _close_innermost(state).task.id != task_id:
            pass


def _close_innermost(state: str | None) -> Run | UnsampledRun:
    *outer, run = _open.get()
    _open.set(tuple(outer))
    run.end(state)
    return run


def _origin(task_id: str, request: Any) -> Origin | None:
    if not request.is_eager:
        return read_link(_carried(request))
    # Not sent as a message. A retry runs inside the attempt that failed.
    same = [run.task.queued_by for run in _open.get() if run.task.id == task_id]
    return same[0] if same else origin_here()


def _carried(request: Any) -> object:
    """What the message of a running task says of where that was queued."""
    return (request.headers or {}).get(LINK)
