"""``Signal.send`` and its siblings, watched and put back.

Django's own loop always runs the receivers: ``dispatches`` opens and closes the record around it,
``receivers`` watches what it takes and each call.
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.dispatch import Signal

from signal_tracer.collecting import nodes
from signal_tracer.collecting.dispatches import (
    NO_RECEIVERS,
    UNHEARD,
    close_dispatch,
    fail_dispatch,
    is_part_of,
    open_dispatch,
)
from signal_tracer.collecting.driving import drive
from signal_tracer.collecting.inlining import inlined
from signal_tracer.collecting.nodes import current
from signal_tracer.collecting.patching import Patches, hide_file, hide_from_stacklevel
from signal_tracer.collecting.receivers import (
    DISPATCHER_FILE,
    OTHER_LOOPS,
    Closing,
    name_like,
    watch_live_receivers,
    watch_log_robust_failure,
    watch_own_live_receivers,
)
from signal_tracer.collecting.routes import forget_routes, tables
from signal_tracer.describing.frames import find_sender_frame
from signal_tracer.describing.names import class_bases, is_a, namespace_of
from signal_tracer.records import Method

_METHODS: tuple[Method, ...] = ("send", "send_robust", "asend", "asend_robust")

hide_file(__file__)


# The four send methods


def _watch_send(original: Any, method: Method) -> Any:
    def send(self: Any, sender: Any, **named: Any) -> Any:
        __traceback_hide__ = __tracebackhide__ = True  # On debug pages, and in pytest.
        try:
            node: Any = current.get()
            if node is None and nodes.everywhere is None:
                dispatch = None
            else:
                # What was unheard before costs as little as Django's own look: two are sent for
                # each row that is loaded.
                try:
                    route: Any = tables[id(self)][id(sender)]
                    # Not documented, and the same in Django 5.2, 6.0 and 6.1: the cache by sender,
                    # a WeakKeyDictionary of a signal that has one, and NO_RECEIVERS in it.
                    if route.counted_in is node.recorders.unheard and (
                        not self.receivers
                        or self.sender_receivers_cache.data.get(route.reference) is NO_RECEIVERS
                    ):
                        route.counter.count += 1
                        return []
                except (KeyError, AttributeError):
                    route = None  # Sent for the first time; not traced here; another cache.
                dispatch = open_dispatch(node, route, self, sender, method, named)
        except RecursionError:
            dispatch = None  # It may be that Django's own code still runs, where ours does not.
        if dispatch is None:
            return original(self, sender, **named)
        if dispatch is UNHEARD:
            return []
        token = current.set(dispatch)
        try:
            return close_dispatch(dispatch, self, sender, original(self, sender, **named))
        except BaseException as error:
            fail_dispatch(dispatch, error)
            raise
        finally:
            current.reset(token)

    found = inlined(send, original)
    return found or hide_from_stacklevel(functools.wraps(original)(send), method)


def _watch_own_send(original: Any, method: Method) -> Any:
    """Of a subclass, which may take other arguments than Django's and return anything."""

    def send(self: Any, /, *args: Any, **named: Any) -> Any:
        __traceback_hide__ = __tracebackhide__ = True
        node = current.get()
        caller = sys._getframe(1)
        if _is_nothing_to_see(node, self, caller):
            return original(self, *args, **named)
        sender = args[0] if args else named.get("sender")
        dispatch = open_dispatch(node, None, self, sender, method, named, caller, False)
        del caller
        if dispatch is None:
            return original(self, *args, **named)
        token = current.set(dispatch)
        try:
            responses = original(self, *args, **named)
        except BaseException as error:
            fail_dispatch(dispatch, error)
            raise
        else:
            return close_dispatch(dispatch, self, sender, responses)
        finally:
            current.reset(token)

    return hide_from_stacklevel(functools.wraps(original)(send), method)


def _is_nothing_to_see(node: Any, signal: Any, caller: Any) -> bool:
    """Nobody traces; or it is no signal's, but of a class that signals mix in; or a part of the
    dispatch that is open: an own send calls its parent's.
    """
    if node is None and nodes.everywhere is None:
        return True
    try:
        is_same = node is not None and node.signal_id == id(signal)
        return not is_a(signal, Signal) or (is_same and is_part_of(node, signal, caller))
    except Exception:
        nodes.report_fault(node, "to see whether a dispatch is one of its own")
        return True


def _watch_asend(original: Any, method: Method) -> Any:
    # A plain function: when its coroutine is run by gather() or create_task(), the frame that
    # called it is gone.
    def asend(self: Any, sender: Any, **named: Any) -> Any:
        site = None
        if current.get() is not None or nodes.everywhere is not None:
            site = _site_of(sys._getframe(1))
        begin = functools.partial(original, self, sender, **named)
        coroutine = _asend(begin, self, sender, method, named, site, is_django=True)
        name_like(coroutine, original)
        return coroutine

    # inspect.iscoroutinefunction() honours the mark from Python 3.12 on; Django 5.2 and asyncio
    # ask asgiref's and asyncio's, which honour it on 3.11 too.
    return markcoroutinefunction(functools.wraps(original)(asend))


def _watch_own_asend(original: Any, method: Method) -> Any:
    """Of a subclass, which may take other arguments than Django's and return anything."""

    def asend(self: Any, /, *args: Any, **named: Any) -> Any:
        __traceback_hide__ = __tracebackhide__ = True
        answer = original(self, *args, **named)
        if type(answer) is not types.CoroutineType or _is_nothing_to_see(
            current.get(), self, sys._getframe(1)
        ):
            return answer
        sender = args[0] if args else named.get("sender")
        begin = functools.partial(getattr, Closing(answer), "coroutine")
        site = _site_of(sys._getframe(1))
        coroutine = _asend(begin, self, sender, method, named, site, is_django=False)
        name_like(coroutine, answer)
        return coroutine

    watched = hide_from_stacklevel(functools.wraps(original)(asend), method)
    return markcoroutinefunction(watched) if iscoroutinefunction(original) else watched


class Site:
    """What is worth knowing of a frame, which itself would keep alive what its code holds."""

    __slots__ = ("f_code", "f_globals", "f_lasti")

    f_back = None

    def __init__(self, frame: types.FrameType) -> None:
        self.f_code = frame.f_code
        self.f_lasti = frame.f_lasti
        self.f_globals = frame.f_globals


def _site_of(caller: types.FrameType) -> Site | None:
    try:
        frame = find_sender_frame(caller)
        return None if frame is None else Site(frame)
    except Exception:
        nodes.report_fault(current.get(), "to see where a dispatch is sent from")
        return None


async def _asend(
    begin: Callable[[], Any],
    signal: Any,
    sender: Any,
    method: Method,
    named: dict[str, Any],
    site: Site | None,
    *,
    is_django: bool,
) -> Any:
    __traceback_hide__ = __tracebackhide__ = True
    node = current.get()
    if node is None and nodes.everywhere is None:
        return await begin()
    caller: Any = site or sys._getframe(0)
    dispatch = open_dispatch(node, None, signal, sender, method, named, caller, is_django)
    del caller
    if dispatch is None:
        return await begin()
    if dispatch is UNHEARD:
        return []
    try:
        responses = await drive(begin(), current, dispatch)
    except BaseException as error:
        fail_dispatch(dispatch, error)
        raise
    return close_dispatch(dispatch, signal, sender, responses)


# Install and uninstall


_patches = Patches()


def _is_djangos(function: Any) -> bool:
    return type(function) is types.FunctionType and function.__code__.co_filename == DISPATCHER_FILE


def install() -> None:
    """Watch ``Signal`` and its subclasses, from now until ``uninstall()``. Idempotent.

    It stays: a class has a fixed number of version tags for life, and a process that installs
    and removes for every trace ends with every look-up on ``Signal`` uncached.
    """
    for name, watch in _DJANGOS_OWN.items():
        _patches.replace(Signal, name, watch)
    _watch_class(Signal)
    sends = [_patches.original(Signal, name) for name in _METHODS if (Signal, name) in _patches]
    loops_are_djangos = len(sends) == len(_METHODS) and all(map(_is_djangos, sends))
    (nodes.special.discard if loops_are_djangos else nodes.special.add)(OTHER_LOOPS)
    if "__init_subclass__" not in vars(Signal):
        _patches.add(Signal, "__init_subclass__", classmethod(_watch_new_subclass))
    for subclass in _subclasses(Signal):
        _watch_class(subclass)


def uninstall() -> None:
    """Put back what is still ours; see ``Patches.restore``."""
    _patches.restore()
    forget_routes()


def _subclasses(cls: type) -> Iterator[type]:
    subclasses: list[type] = type.__subclasses__(cls)
    for subclass in subclasses:
        yield subclass
        yield from _subclasses(subclass)


def _watch_new_subclass(cls: Any, /, **kwargs: Any) -> None:
    super(Signal, cls).__init_subclass__(**kwargs)
    try:
        _watch_class(cls)
    except Exception:
        nodes.report_fault(current.get(), "to watch a new subclass of Signal")


def _watch_class(cls: type) -> None:
    """Watch what the class, or one that it mixes in, has in the place of Django's own."""
    for each in class_bases(cls):
        if each is Signal:
            break
        for method in _METHODS:
            if type(namespace_of(each).get(method)) is types.FunctionType:
                watch = _watch_own_asend if method.startswith("a") else _watch_own_send
                _patches.replace(each, method, functools.partial(watch, method=method))
        if type(namespace_of(each).get("_live_receivers")) is types.FunctionType:
            _patches.replace(each, "_live_receivers", watch_own_live_receivers)
    if cls is Signal:
        for method in _METHODS:
            if type(vars(Signal).get(method)) is types.FunctionType:
                watch = _watch_asend if method.startswith("a") else _watch_send
                _patches.replace(Signal, method, functools.partial(watch, method=method))


# The first two are private, and the same in Django 5.2, 6.0 and 6.1.
_DJANGOS_OWN: dict[str, Callable[[Any], Any]] = {
    "_live_receivers": watch_live_receivers,
    "_log_robust_failure": watch_log_robust_failure,
}
