"""Calls of Django's cache are counted for the receiver call that makes them, alias by alias.

Only with ``RECORD_CACHE_CALLS``: no cache is touched before. Of what a call is given and answers
nothing is kept, and nothing is looked at but whether it is the very default. Counted is what the
code calls: what a cache calls of itself on the way, such as ``get()`` in ``get_many()``, is a part
of that.
"""

from __future__ import annotations

import functools
import inspect
import types
import weakref
from collections.abc import Iterator
from contextvars import ContextVar
from functools import partial
from operator import attrgetter
from typing import Any, Literal

from django.core.cache import BaseCache, caches

from signal_tracer.collecting import clock, nodes
from signal_tracer.collecting.driving import drive
from signal_tracer.collecting.nodes import CallRecord, current, fenced
from signal_tracer.collecting.patching import (
    Replacement,
    Watcher,
    hide_file,
    hide_from_stacklevel,
    is_hidden_file,
)
from signal_tracer.collecting.raw import Activity
from signal_tracer.collecting.reading import Reading
from signal_tracer.describing.names import class_name, is_a, namespace_of
from signal_tracer.records import CacheCalls

hide_file(__file__)

Kind = Literal["gets", "sets", "deletes"]
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("get", "get_many", "get_or_set", "has_key", "__contains__"), "gets"),
    **dict.fromkeys(("set", "set_many", "add", "touch", "incr", "decr"), "sets"),
    **dict.fromkeys(("incr_version", "decr_version"), "sets"),
    **dict.fromkeys(("delete", "delete_many", "clear"), "deletes"),
}


class Counts:
    """Of one receiver call and one alias. ``taken`` is in nanoseconds."""

    __slots__ = ("deletes", "gets", "hits", "sets", "taken")

    def __init__(self) -> None:
        self.gets = self.hits = self.sets = self.deletes = self.taken = 0


class CountsByAlias(dict[str, Counts]):
    """Those of one receiver call."""

    __slots__ = ()

    def read(self, reading: Reading) -> dict[str, Any]:
        # Another trace may have wanted them where this one did not.
        if not reading.config.record_cache_calls:
            return {}
        return {
            "cache_calls": [
                CacheCalls(alias, each.gets, each.hits, each.sets, each.deletes, each.taken / 1e9)
                for alias, each in list(self.items())
            ]
        }


class _Running:
    """A method of a cache that the code has called; what it calls of itself is a part of it.

    The default that ``get_or_set()`` is given may be a function, whose calls are its own: of that
    method only what is about the same key is a part.
    """

    __slots__ = ("cache", "call", "has_set", "key", "method", "started")

    def __init__(self, cache: Any, call: CallRecord, method: str, key: Any) -> None:
        self.cache = cache
        self.call = call
        self.method = method
        self.key = key
        self.has_set = False
        self.started = clock.now()

    def includes(self, cache: Any, call: CallRecord, key: Any) -> bool:
        return (
            self.cache is cache
            and self.call is call
            and (self.method != "get_or_set" or self.key is key)
        )

    def let_go(self) -> None:
        """It is over, and a task that was started meanwhile may still know it."""
        self.cache = self.key = None


_running: ContextVar[_Running | None] = ContextVar("signal_tracer.cache", default=None)
_RAISED = object()


def _watch(original: Any, method: str) -> Any:
    def call_cache(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        __traceback_hide__ = __tracebackhide__ = True
        running = _begin(self, method, args, kwargs)
        if running is None:
            return original(self, *args, **kwargs)
        token = _running.set(running)
        answer = _RAISED
        try:
            answer = original(self, *args, **kwargs)
            return answer
        finally:
            _running.reset(token)
            _end(running, answer, args, kwargs)

    return hide_from_stacklevel(functools.wraps(original)(call_cache), original.__name__)


def _watch_async(original: Any, method: str) -> Any:
    async def call_cache(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        __traceback_hide__ = __tracebackhide__ = True
        running = _begin(self, method, args, kwargs)
        if running is None:
            return await original(self, *args, **kwargs)
        answer = _RAISED
        try:
            answer = await drive(original(self, *args, **kwargs), _running, running)
            return answer
        finally:
            _end(running, answer, args, kwargs)

    return hide_from_stacklevel(functools.wraps(original)(call_cache), original.__name__)


@fenced("to see a cache call begin")
def _begin(cache: Any, method: str, args: Any, kwargs: Any) -> _Running | None:
    """``None`` for what is not counted: outside of receivers, or a part of what runs already."""
    call = nodes.innermost_call(nodes.node_with_everywhere(current.get()))
    if call is None or not _wanting(call):
        return None
    key = args[0] if args else kwargs.get("key")
    running = _running.get()
    if running is not None and running.includes(cache, call, key):
        running.has_set = running.has_set or _KINDS[method] == "sets"
        return None
    return _Running(cache, call, method, key)


@fenced("to count a cache call")
def _end(running: _Running, answer: Any, args: Any, kwargs: Any) -> None:
    taken = clock.now() - running.started
    call, alias = running.call, _alias_of(running.cache)
    running.let_go()
    wanting = _wanting(call)
    if not wanting:
        return
    if call.activity is None:
        call.activity = Activity()
    counts = call.activity[CountsByAlias].get(alias)
    if counts is None:
        has_room = [each.keep_other() for each in wanting]  # Each counts what it lacks.
        if not any(has_room):
            return
        counts = call.activity[CountsByAlias].setdefault(alias, Counts())
    counts.taken += taken
    kind = _KINDS[running.method]
    setattr(counts, kind, getattr(counts, kind) + 1)
    if running.method == "get_or_set" and running.has_set:
        counts.sets += 1
    elif kind == "gets" and answer is not _RAISED:
        counts.hits += _is_hit(running.method, answer, args, kwargs)


def _wanting(call: CallRecord) -> list[Any]:
    """The traces that it is recorded in, and that want its cache calls."""
    return [each for each in call.recorders.all if each.config.record_cache_calls]


def _is_hit(method: str, answer: Any, args: Any, kwargs: Any) -> bool:
    if method == "get":
        return answer is not (args[1] if len(args) > 1 else kwargs.get("default"))
    if method == "get_many":
        return is_a(answer, dict) and dict.__len__(answer) > 0
    return method == "get_or_set" or answer is True


def _alias_of(cache: Any) -> str:
    for alias, each in _open_caches():
        if each is cache:
            return alias
    return class_name(type(cache))  # Made by somebody's own hands.


def _open_caches() -> Iterator[tuple[str, Any]]:
    """Those of this thread or task."""
    for alias in caches.settings:
        # Private, and the same in Django 5.2, 6.0 and 6.1: to ask for one by its name makes it.
        found = getattr(caches._connections, alias, None)  # type: ignore[attr-defined]
        if found is not None:
            yield alias, found


# What is watched: the methods of every backend's class, whenever that is imported.


def _replacements() -> Iterator[Replacement]:
    if "__init_subclass__" not in vars(BaseCache):
        yield BaseCache, "__init_subclass__", lambda _: classmethod(_watch_new_subclass)
    for cls in _with_subclasses(BaseCache):
        yield from _methods_of(cls)
    _watch_patched()


def _with_subclasses(cls: type) -> Iterator[type]:
    yield cls
    subclasses: list[type] = type.__subclasses__(cls)
    for each in subclasses:
        yield from _with_subclasses(each)


def _methods_of(cls: type) -> Iterator[Replacement]:
    own = namespace_of(cls)
    for method in _KINDS:
        if type(own.get(method)) is types.FunctionType:
            yield cls, method, partial(_watch, method=method)
        twin: Any = own.get(f"a{method}")
        if type(twin) is types.FunctionType and twin.__code__.co_flags & inspect.CO_COROUTINE:
            yield cls, f"a{method}", partial(_watch_async, method=method)


def _watch_new_subclass(cls: Any, /, **kwargs: Any) -> None:
    super(BaseCache, cls).__init_subclass__(**kwargs)
    _watch_class(cls)


@fenced("to watch a new kind of cache")
def _watch_class(cls: type) -> None:
    for each in _methods_of(cls):
        WATCHER.patches.replace(*each)


# The toolbar puts functions of its own on each cache that it meets, which go on to the methods as
# they stood then: where it came first, ours has to be around its functions.

# The caches where ours is, by id. Whatever stands on a cache keeps it alive, and is not kept here.
_patched: dict[int, weakref.ref[Any]] = {}


@fenced("to watch a cache that another tool watches")
def _watch_patched() -> None:
    for _, cache in _open_caches():
        own: dict[str, Any] = vars(cache)
        for method in _KINDS:
            if type(own.get(method)) is types.FunctionType:
                own[method] = types.MethodType(_watch(_without_self(own[method]), method), cache)
                _patched[id(cache)] = weakref.ref(cache, partial(_gone, id(cache)))


def _without_self(theirs: Any) -> Any:
    def call(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        __traceback_hide__ = __tracebackhide__ = True
        return theirs(*args, **kwargs)

    return hide_from_stacklevel(functools.wraps(theirs)(call), theirs.__name__)


def _gone(key: int, _: object) -> None:
    _patched.pop(key, None)


_theirs_below = attrgetter("__wrapped__.__wrapped__")


def _put_back() -> None:
    for reference in list(_patched.values()):
        own: dict[str, Any] = getattr(reference(), "__dict__", {})
        for method in _KINDS:
            ours = own.get(method)
            if type(ours) is types.MethodType and is_hidden_file(ours.__code__.co_filename):
                own[method] = _theirs_below(ours)
    _patched.clear()


WATCHER = Watcher(_replacements, when=lambda config: config.record_cache_calls, forget=_put_back)
