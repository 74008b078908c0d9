"""The place where ``Signal.send`` and its siblings are watched, and put back.

Django's own loop always runs the receivers: ``live_receivers`` watches what it takes, and
``receivers`` each call.
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.dispatch import Signal, dispatcher

from signal_tracer.collecting import live_receivers, recording
from signal_tracer.collecting.connecting import watch_connections
from signal_tracer.collecting.connections import forget_connections
from signal_tracer.collecting.dispatches import (
    begin_dispatch,
    end_dispatch,
    end_failed_dispatch,
    note_responses,
    note_unheard_by_all,
    note_unheard_everywhere,
)
from signal_tracer.collecting.hiding import hide_file, pass_over
from signal_tracer.collecting.live_receivers import watch_live_receivers
from signal_tracer.collecting.naming import find_sender_frame
from signal_tracer.collecting.nodes import DispatchRecord
from signal_tracer.collecting.patching import Patches
from signal_tracer.collecting.receivers import (
    DISPATCHER_FILE,
    Closing,
    held,
    name_like,
    watch_log_robust_failure,
)
from signal_tracer.collecting.recording import current
from signal_tracer.trace import Method

# Private since Django 1.x and the same in 5.2, 6.0 and 6.1: what the sender cache holds for a
# sender without receivers.
_NO_RECEIVERS = dispatcher.NO_RECEIVERS
_object_hash: object = object.__hash__
_object_eq: object = object.__eq__

_METHODS: tuple[Method, ...] = ("send", "send_robust", "asend", "asend_robust")

hide_file(__file__)


# The four send methods


def _watch_send(original: Any, method: Method) -> Any:
    def send(self: Any, sender: Any, **named: Any) -> Any:
        __traceback_hide__ = True  # Django's debug page leaves this frame out.
        node = current.get()
        # Django's own fast path. A sender with a __hash__ or __eq__ of its own is left to Django,
        # or it would run twice.
        if not self.receivers or (
            self.use_caching
            and type(type(sender)) is type
            and type(sender).__hash__ is _object_hash
            and type(sender).__eq__ is _object_eq
            and self.sender_receivers_cache.get(sender) is _NO_RECEIVERS
        ):
            if node is not None and not recording.everywhere:
                counter = node.recorders.unheard_counters.get((id(self), id(sender)))
                if counter is None or type(node) is DispatchRecord:
                    note_unheard_by_all(node, self, sender, method, named)
                else:
                    counter.count += 1
            elif recording.everywhere:
                note_unheard_everywhere(node, self, sender, method, named)
            return []
        if node is None and not recording.everywhere:
            return original(self, sender, **named)
        if type(node) is DispatchRecord and node.signal_id == id(self) and not node.stopped:
            return _send_within(node, original, self, sender, named)
        record = begin_dispatch(node, self, sender, method, named, sys._getframe(1), is_django=True)
        token = current.set(record)
        try:
            responses = original(self, sender, **named)
        except BaseException as error:
            current.reset(token)
            end_failed_dispatch(record, error)
            raise
        current.reset(token)
        end_dispatch(record, self, sender, responses, is_django=True)
        return responses

    return pass_over(functools.wraps(original)(send), method)


def _send_within(
    record: DispatchRecord, original: Any, signal: Any, sender: Any, named: Any
) -> Any:
    """A subclass's own send has called Django's: that is one dispatch, whose record is open."""
    __traceback_hide__ = True
    was_in_django, first = record.in_django, len(record.calls)
    record.in_django = True
    try:
        responses = original(signal, sender, **named)
    finally:
        record.in_django = was_in_django
    note_responses(record, responses, first)
    return responses


def _watch_own_send(original: Any, method: Method) -> Any:
    """Of a subclass, which may take other arguments than Django's and return anything."""

    def send(self: Any, /, *args: Any, **named: Any) -> Any:
        __traceback_hide__ = True
        node = current.get()
        if (node is None and not recording.everywhere) or (
            type(node) is DispatchRecord and node.signal_id == id(self) and not node.stopped
        ):
            return original(self, *args, **named)
        sender = args[0] if args else named.get("sender")
        record = begin_dispatch(
            node, self, sender, method, named, sys._getframe(1), is_django=False
        )
        token = current.set(record)
        try:
            responses = original(self, *args, **named)
        except BaseException as error:
            current.reset(token)
            end_failed_dispatch(record, error)
            raise
        current.reset(token)
        end_dispatch(record, self, sender, responses, is_django=False)
        return responses

    return pass_over(functools.wraps(original)(send), method)


def _watch_asend(original: Any, method: Method) -> Any:
    # A plain function: when its coroutine is run by gather() or create_task(), the frame that
    # called it is gone.
    def asend(self: Any, sender: Any, **named: Any) -> Any:
        site = None
        if current.get() is not None or recording.everywhere:
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
        __traceback_hide__ = True
        answer = original(self, *args, **named)
        if type(answer) is not types.CoroutineType or (
            current.get() is None and not recording.everywhere
        ):
            return answer
        sender = args[0] if args else named.get("sender")
        begin = functools.partial(getattr, Closing(answer), "coroutine")
        site = _site_of(sys._getframe(1))
        coroutine = _asend(begin, self, sender, method, named, site, is_django=False)
        name_like(coroutine, answer)
        return coroutine

    watched = pass_over(functools.wraps(original)(asend), method)
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
        recording.report_fault(current.get(), "to see where a dispatch is sent from")
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
    __traceback_hide__ = True
    node = current.get()
    if node is None and not recording.everywhere:
        return await begin()
    if type(node) is DispatchRecord and node.signal_id == id(signal) and not node.stopped:
        was_in_django, first = node.in_django, len(node.calls)
        node.in_django = is_django
        try:
            responses = await begin()
        finally:
            node.in_django = was_in_django
        if is_django:
            note_responses(node, responses, first)
        return responses
    caller: Any = site or sys._getframe(0)
    record = begin_dispatch(node, signal, sender, method, named, caller, is_django=is_django)
    del caller
    try:
        responses = await held(begin(), record)
    except BaseException as error:
        end_failed_dispatch(record, error)
        raise
    end_dispatch(record, signal, sender, responses, is_django=is_django)
    return responses


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
    _watch_sends(Signal)
    live_receivers.order_is_djangos = _is_djangos(_patches.original(Signal, "_live_receivers"))
    sends = [_patches.original(Signal, name) for name in _METHODS if (Signal, name) in _patches]
    live_receivers.loops_are_djangos = len(sends) == len(_METHODS) and all(map(_is_djangos, sends))
    if "__init_subclass__" not in vars(Signal):
        _patches.add(Signal, "__init_subclass__", classmethod(_watch_new_subclass))
    for subclass in _subclasses(Signal):
        _watch_sends(subclass)


def uninstall() -> None:
    """Put back what is still ours; see ``Patches.restore``."""
    _patches.restore()
    forget_connections()


def _subclasses(cls: type) -> Iterator[type]:
    subclasses: list[type] = type.__subclasses__(cls)
    for subclass in subclasses:
        yield subclass
        yield from _subclasses(subclass)


def _watch_new_subclass(cls: Any, /, **kwargs: Any) -> None:
    super(Signal, cls).__init_subclass__(**kwargs)
    try:
        _watch_sends(cls)
    except Exception:
        recording.report_fault(current.get(), "to watch a new subclass of Signal")


def _watch_sends(cls: type) -> None:
    """Watch the send methods that the class defines itself."""
    for method in _METHODS:
        function = vars(cls).get(method)
        if type(function) is types.FunctionType:
            is_async = method.startswith("a")
            if cls is Signal:
                watch = _watch_asend if is_async else _watch_send
            else:
                watch = _watch_own_asend if is_async else _watch_own_send
            _patches.replace(cls, method, functools.partial(watch, method=method))


_DJANGOS_OWN: dict[str, Callable[[Any], Any]] = {
    "_live_receivers": watch_live_receivers,
    "_log_robust_failure": watch_log_robust_failure,
    "connect": watch_connections,
    "disconnect": watch_connections,
}
