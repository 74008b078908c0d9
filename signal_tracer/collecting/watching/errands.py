"""Errands are watched: threads, tasks, mails and HTTP requests that a receiver call starts.

Nothing takes them back when its transaction is rolled back, and none of them waits for the commit.
What is watched is looked for in ``sys.modules``: nothing is imported for it. Not an errand is

* what the code waits for, as with ``sync_to_async()`` and ``asyncio.to_thread()``;
* what another errand does on its way, such as a mail that is sent by HTTP;
* a task that is queued in the database, and so with the transaction or not at all;
* what an ``on_commit()`` callback starts.

HTTP is seen where ``http.client`` begins a request, which ``urllib``, ``urllib3`` and ``requests``
go through, and in ``httpx``. Not at the socket: its methods are C's, an audit hook could never be
taken away again, and most of what connects a socket in a receiver is a database or a cache.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import inspect
import os
import sys
import threading
import types
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import partial
from typing import Any, NamedTuple

import asgiref

from signal_tracer.collecting import clock, nodes, savepoints
from signal_tracer.collecting.nodes import CallRecord, Node, current, fenced
from signal_tracer.collecting.patching import (
    Replacement,
    Watcher,
    hide_file,
    hide_from_stacklevel,
    is_hidden_file,
)
from signal_tracer.collecting.reading import Reading
from signal_tracer.collecting.watching.queries import Queries
from signal_tracer.describing.frames import find_project_frame, find_sender_frame
from signal_tracer.describing.names import (
    class_name,
    describe_receiver,
    find_in_class,
    is_a,
    module_namespace,
    namespace_of,
)
from signal_tracer.records import Errand, ErrandKind

hide_file(__file__)

# Who starts threads on behalf of others, and who waits for what runs in them.
_FOR_OTHERS = (os.path.join(os.path.dirname(concurrent.futures.__file__), ""), threading.__file__)
_WAITING = tuple(
    os.path.join(os.path.dirname(str(each.__file__)), "") for each in (asyncio, asgiref)
)


class ErrandRecord(NamedTuple):
    kind: ErrandKind
    target: str
    sent_by: types.CodeType | None
    instruction: int
    started: int


class Errands(list[ErrandRecord]):
    """Those of one receiver call."""

    __slots__ = ()

    def read(self, reading: Reading) -> dict[str, Any]:
        return {
            "errands": [
                Errand(
                    kind=each.kind,
                    target=reading.redact_shapes(each.target),
                    sent_from=reading.location(each.sent_by, each.instruction),
                    started_at=reading.since_start(each.started),
                )
                for each in self[:]
                if each.started <= reading.until
            ]
        }


# Whether an errand is being started: what it does for that is a part of it.
_running: ContextVar[bool] = ContextVar("signal_tracer.errands", default=False)

# What an errand is called, by the object that starts it and the first argument.
NameOf = Callable[[Any, Any], str]


def _watch(original: Any, kind: ErrandKind, name_of: NameOf) -> Any:
    def start(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        __traceback_hide__ = __tracebackhide__ = True
        node = current.get()
        if node is None and nodes.everywhere is None:
            return original(self, *args, **kwargs)
        begun = _begin(node, kind, name_of, self, args, sys._getframe(1))
        if begun is None:
            return original(self, *args, **kwargs)
        token = _running.set(True)
        try:
            answer = original(self, *args, **kwargs)
        finally:
            _running.reset(token)
        _end(*begun, self)
        return answer

    return hide_from_stacklevel(functools.wraps(original)(start), original.__name__)


def _watch_async(original: Any, kind: ErrandKind, name_of: NameOf) -> Any:
    async def start(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        __traceback_hide__ = __tracebackhide__ = True
        begun = None
        node = current.get()
        if node is not None or nodes.everywhere is not None:
            begun = _begin(node, kind, name_of, self, args, sys._getframe(1))
        answer = await original(self, *args, **kwargs)
        if begun is not None:
            _end(*begun, self)
        return answer

    return hide_from_stacklevel(functools.wraps(original)(start), original.__name__)


@fenced("to see what a receiver starts")
def _begin(
    node: Node | None,
    kind: ErrandKind,
    name_of: NameOf,
    starter: Any,
    args: tuple[Any, ...],
    frame: types.FrameType | None,
) -> tuple[CallRecord, ErrandRecord, int] | None:
    """What will be recorded, and for which call; ``None`` for what is no errand of a receiver."""
    node = nodes.node_with_everywhere(node)
    call = nodes.innermost_call(node)
    if call is None or call.stopped or _running.get() or not call.recorders.all:
        return None
    place = savepoints.thread
    if place.callback is not None and place.node is node:
        return None  # It did wait for the commit.
    site = _starter(frame)
    if site is not None and site.f_code.co_filename.startswith(_WAITING):
        return None
    site = find_sender_frame(site)
    lead = site if kind == "thread" else find_project_frame(site) or site
    if not call.recorders.all[-1].config.record_locations:
        lead = None
    record = ErrandRecord(
        kind,
        name_of(starter, args[0] if args else None),
        None if lead is None else lead.f_code,
        0 if lead is None else lead.f_lasti,
        clock.now(),
    )
    return call, record, len(_queries_of(call))


def _starter(frame: types.FrameType | None) -> types.FrameType | None:
    """Who wants a thread: not a pool, and none of our own functions around it."""
    while frame is not None and (
        frame.f_code.co_filename.startswith(_FOR_OTHERS) or is_hidden_file(frame.f_code.co_filename)
    ):
        frame = frame.f_back
    return frame


@fenced("to record what a receiver started")
def _end(call: CallRecord, record: ErrandRecord, queries: int, starter: Any) -> None:
    if _is_queued_in_database(starter) and any(each[0][1] for each in _queries_of(call)[queries:]):
        return
    wanting = [each.keep_other() for each in call.recorders.all]  # Each counts what it lacks.
    if any(wanting):
        for activity in nodes.activities_at(call):
            activity[Errands].append(record)


def _queries_of(call: CallRecord) -> Queries:
    return Queries() if call.activity is None else call.activity.get(Queries) or Queries()


def _is_queued_in_database(task: Any) -> bool:
    """Whether what is written while a task is queued may be the task itself.

    Not where it is run at once, which is for development: what it writes is its work.
    """
    module = type(task).__module__
    handler = module_namespace(sys.modules.get(module.rpartition(".")[0])).get("task_backends")
    # Private, the same in Django 6.0 and 6.1, and not in 5.2, which has no tasks: to ask for a
    # backend by its name makes it.
    backend = getattr(getattr(handler, "_connections", None), _of(task, "backend") or "", None)
    return backend is not None and not type(backend).__module__.endswith(".immediate")


# What an errand is called


def _of(live: Any, name: str) -> Any:
    """An attribute that stands in the object itself, without asking the object."""
    slot = find_in_class(type(live), name)
    if type(slot) is types.MemberDescriptorType:
        return slot.__get__(live)
    try:
        return object.__getattribute__(live, "__dict__").get(name)
    except AttributeError:
        return None


def _name_of_callable(live: Any) -> str:
    return describe_receiver(live).name


def _name_of_thread(thread: Any, _: Any) -> str:
    # Private, and the same in Python 3.11 to 3.14: _target, which a thread forgets when it ends.
    target = _of(thread, "_target")
    if target is None:
        target = _of(thread, "function")  # of a Timer
    return class_name(type(thread)) if target is None else _name_of_callable(target)


def _name_of_submitted(_: Any, function: Any) -> str:
    return "" if function is None else _name_of_callable(function)


def _name_of_celery_task(task: Any, _: Any) -> str:
    name = find_in_class(type(task), "name")
    return name if type(name) is str else class_name(type(task))


def _name_that_is_sent(_: Any, name: Any) -> str:
    return name if type(name) is str else ""


def _name_of_task(task: Any, _: Any) -> str:
    function = _of(task, "func")
    return class_name(type(task)) if function is None else _name_of_callable(function)


def _name_of_mail(mail: Any, _: Any) -> str:
    """A class of the project's or a package's says which mail it is; a subject may say anything."""
    name = class_name(type(mail))
    return "" if name.startswith("django.") else name


def _host(connection: Any, _: Any) -> str:
    host = _of(connection, "host")
    return host if type(host) is str else ""


def _host_of_request(_: Any, request: Any) -> str:
    # httpx's own code alone, which reads a text that is there.
    is_theirs = type(request).__module__.partition(".")[0] == "httpx"
    return str(request.url.host) if is_theirs else ""


class _Watched(NamedTuple):
    """A method that starts errands: the same in all versions that are known, or not watched."""

    module: str
    cls: str
    method: str
    kind: ErrandKind
    name_of: NameOf


_WATCHED = (
    _Watched("threading", "Thread", "start", "thread", _name_of_thread),
    _Watched("multiprocessing.process", "BaseProcess", "start", "thread", _name_of_thread),
    _Watched(
        "concurrent.futures.thread", "ThreadPoolExecutor", "submit", "thread", _name_of_submitted
    ),
    _Watched(
        "concurrent.futures.process", "ProcessPoolExecutor", "submit", "thread", _name_of_submitted
    ),
    _Watched("celery.app.task", "Task", "apply_async", "task", _name_of_celery_task),
    _Watched("celery.app.base", "Celery", "send_task", "task", _name_that_is_sent),
    _Watched("django.tasks.base", "Task", "enqueue", "task", _name_of_task),
    _Watched("django.tasks.base", "Task", "aenqueue", "task", _name_of_task),
    _Watched("django_tasks.base", "Task", "enqueue", "task", _name_of_task),
    _Watched("django_tasks.base", "Task", "aenqueue", "task", _name_of_task),
    _Watched("django.core.mail.message", "EmailMessage", "send", "mail", _name_of_mail),
    _Watched("smtplib", "SMTP", "sendmail", "mail", _host),
    _Watched("http.client", "HTTPConnection", "putrequest", "network", _host),
    _Watched("httpx", "Client", "send", "network", _host_of_request),
    _Watched("httpx", "AsyncClient", "send", "network", _host_of_request),
)


def _replacements() -> Iterator[Replacement]:
    for each in _WATCHED:
        cls: Any = module_namespace(sys.modules.get(each.module)).get(each.cls)
        method = namespace_of(cls).get(each.method) if is_a(cls, type) else None
        if type(method) is types.FunctionType:
            is_async = method.__code__.co_flags & inspect.CO_COROUTINE
            watch = _watch_async if is_async else _watch
            yield cls, each.method, partial(watch, kind=each.kind, name_of=each.name_of)


WATCHER = Watcher(_replacements)
