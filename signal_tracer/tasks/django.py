"""Django's own tasks get a trace each: one call in an ``AppConfig.ready()`` of the project.

``django.tasks`` is there from Django 6.0 on, and the package ``django-tasks`` for older ones. The
backends of both run a task by ``Task.call()`` or ``Task.acall()``, after ``task_started``.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db.models.signals import pre_save

from signal_tracer.collecting.patching import Patches, hide_from_stacklevel
from signal_tracer.records import Task
from signal_tracer.tasks import (
    LINK,
    Run,
    UnsampledRun,
    is_plainly_off,
    link_here,
    origin_here,
    read_link,
    say_once,
    start_run,
)

__all__ = ["trace_tasks", "uninstall"]

_patches = Patches()


def trace_tasks() -> None:
    """Trace each task that this process runs, and link it to the request that queued it.

    To be called once, in ``ready()`` of an app of the project. It does nothing where ``ENABLED``
    is plainly off. Raises ``ImproperlyConfigured`` where there are no tasks of Django's kind.
    """
    if is_plainly_off():
        return
    found = list(_modules())
    if not found:
        raise ImproperlyConfigured(
            "trace_tasks() found no tasks of Django's: they came with Django 6.0. For an older one "
            "install django-tasks and add it to INSTALLED_APPS, or take the call away."
        )
    for name in found:
        task = import_module(f"{name}.base").Task
        # Not documented in Django 6.0 and 6.1, and the one way by which backends run a task.
        _patches.replace(task, "call", _traced)
        _patches.replace(task, "acall", _atraced)
        started = import_module(f"{name}.signals").task_started
        started.connect(_note_start, dispatch_uid="signal_tracer")
    if apps.is_installed("django_tasks_db"):
        pre_save.connect(_link, _row())


def uninstall() -> None:
    """Trace no more tasks. Raises nothing, also if none were traced."""
    _patches.restore()
    for name in _modules():
        import_module(f"{name}.signals").task_started.disconnect(dispatch_uid="signal_tracer")
    if apps.is_installed("django_tasks_db"):
        pre_save.disconnect(_link, _row())


def _row() -> Any:
    return import_module("django_tasks_db.models").DBTaskResult


def _modules() -> Iterator[str]:
    if find_spec("django.tasks") is not None:
        yield "django.tasks"
    if apps.is_installed("django_tasks"):
        yield "django_tasks"


class _Started(NamedTuple):
    """What ``task_started`` said."""

    func: Any
    id: str
    attempt: int
    link: object  # of its message, if that has one


# Last, in this context.
_started: ContextVar[_Started | None] = ContextVar("signal_tracer_started_task", default=None)


def _note_start(task_result: Any, **_: Any) -> None:
    """Which run of a task comes next: ``Task.call()`` is not told."""
    try:
        row = getattr(task_result, "db_result", None)  # of django-tasks-db
        link = None if row is None else row.args_kwargs.get(LINK)
        attempt = max(len(task_result.worker_ids), 1)
        _started.set(_Started(task_result.task.func, str(task_result.id), attempt, link))
    except Exception:
        say_once("What %s says of a task could not be read.", "task_started")


def _link(instance: Any, **_: Any) -> None:
    """Beside the arguments in the row of a new task, where a worker does not look for any."""
    try:
        if instance._state.adding and (link := link_here()) is not None:
            instance.args_kwargs = {**instance.args_kwargs, LINK: link}
    except Exception:
        say_once("A task could not be linked to what queued it (%s).", "django_tasks_db")


def _traced(original: Callable[..., Any]) -> Callable[..., Any]:
    def call(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        __traceback_hide__ = True
        run = _start(self)
        if run is None:
            return original(self, *args, **kwargs)
        state = "raised"
        try:
            answer = original(self, *args, **kwargs)
            state = "returned"
        finally:
            run.end(state)
        return answer

    found: Callable[..., Any] = functools.wraps(original)(call)
    hide_from_stacklevel(found, original.__name__)
    return found


def _atraced(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def acall(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        __traceback_hide__ = True
        run = _start(self)
        if run is None:
            return await original(self, *args, **kwargs)
        try:
            answer = await original(self, *args, **kwargs)
        except GeneratorExit:
            run.end("raised")  # Nobody runs the task any more: nothing can be awaited.
            raise
        except BaseException:
            await run.aend("raised")
            raise
        await run.aend("returned")
        return answer

    found: Callable[..., Awaitable[Any]] = functools.wraps(original)(acall)
    hide_from_stacklevel(found, original.__name__)
    return found


def _start(task: Any) -> Run | UnsampledRun | None:
    started = _started.get()
    _started.set(None)
    try:
        name, queued_by = task.module_path, origin_here()
        if started is None or started.func is not task.func:  # Called by hand.
            return start_run(Task(name, queued_by=queued_by))
        queued_by = read_link(started.link) or queued_by
        return start_run(Task(name, started.id, started.attempt, queued_by=queued_by), started.link)
    except Exception:
        say_once("The task %r could not be traced, and runs as without a trace.", "of Django's")
        return None
