"""The place where ``Signal.send`` and its siblings are watched, and put back.

Django's own loop always runs the receivers; ``receivers`` says how it is watched.
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.db.models.signals import m2m_changed
from django.dispatch import Signal, dispatcher

from signal_tracer.collecting import counting, muting, recording, witnessing
from signal_tracer.collecting.connecting import watch_connections
from signal_tracer.collecting.connections import forget_connections, infos_of
from signal_tracer.collecting.hiding import hide_file, pass_over
from signal_tracer.collecting.naming import (
    describe_receiver,
    find_sender_frame,
    name_of_signal,
    signal_name,
)
from signal_tracer.collecting.nodes import CallRecord, DispatchRecord, Root, Unkept
from signal_tracer.collecting.patching import Patches
from signal_tracer.collecting.receivers import (
    DISPATCHER_FILE,
    Closing,
    WatchedAsyncReceivers,
    WatchedReceiver,
    WatchedReceivers,
    held,
    name_like,
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
                    _note_unheard_by_all(node, self, sender, method, named)
                else:
                    counter.count += 1
            elif recording.everywhere:
                _note_unheard_everywhere(node, self, sender, method, named)
            return []
        if node is None and not recording.everywhere:
            return original(self, sender, **named)
        if type(node) is DispatchRecord and node.signal_id == id(self) and not node.stopped:
            return _send_within(node, original, self, sender, named)
        record = _open(node, self, sender, method, named, sys._getframe(1), is_django=True)
        token = current.set(record)
        try:
            responses = original(self, sender, **named)
        except BaseException as error:
            current.reset(token)
            _close_failed(record, error)
            raise
        current.reset(token)
        _close(record, self, sender, responses, is_django=True)
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
    _note_responses(record, responses, first)
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
        record = _open(node, self, sender, method, named, sys._getframe(1), is_django=False)
        token = current.set(record)
        try:
            responses = original(self, *args, **named)
        except BaseException as error:
            current.reset(token)
            _close_failed(record, error)
            raise
        current.reset(token)
        _close(record, self, sender, responses, is_django=False)
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
            _note_responses(node, responses, first)
        return responses
    caller: Any = site or sys._getframe(0)
    record = _open(node, signal, sender, method, named, caller, is_django=is_django)
    del caller
    try:
        responses = await held(begin(), record)
    except BaseException as error:
        _close_failed(record, error)
        raise
    _close(record, signal, sender, responses, is_django=is_django)
    return responses


# Around a dispatch. None of this may reach the traced code, so each part is fenced.


def _open(
    node: Any,
    signal: Any,
    sender: Any,
    method: Method,
    named: dict[str, Any],
    caller: types.FrameType,
    *,
    is_django: bool,
) -> Any:
    try:
        if recording.everywhere:
            node = recording.node_with_everywhere(node)
        if not node.recorders[-1].is_running:
            is_root = type(node) is Root
            node = recording.nearest_running(node)
            if is_root:
                current.set(node)  # Its trace was ended where this context could not be reached.
            if node is None:
                return None
        if not is_django and "sender" in named:
            named = {name: value for name, value in named.items() if name != "sender"}
        record = recording.open_dispatch(node, signal, sender, method, named, caller)
        if type(record) is DispatchRecord:
            record.in_django = is_django
        if recording.witnesses:
            _bear_witness(record, signal, sender, method, named)
        return record
    except Exception:
        recording.report_fault(node, "to begin the record of a dispatch")
    # Not recorded, and so that nothing below is taken for what its sender sends.
    try:
        return None if node is None else Unkept(node.recorders, None, node)
    except Exception:
        return None


def _note_unheard(node: Any, recorder: Any, signal: Any, sender: Any) -> None:
    if recorder.is_running:
        try:
            recorder.count_unheard(signal, sender)
        except Exception:
            recording.report_fault(node, "to count an unheard dispatch")


def _note_unheard_by_all(
    node: Any, signal: Any, sender: Any, method: Method, named: dict[str, Any]
) -> None:
    # Within a subclass's own send the dispatch is still open, and is counted when it ends.
    if type(node) is DispatchRecord and node.signal_id == id(signal) and not node.stopped:
        return
    for recorder in node.recorders:
        _note_unheard(node, recorder, signal, sender)
    if recording.witnesses:
        _bear_witness(node, signal, sender, method, named)


def _note_unheard_everywhere(
    node: Any, signal: Any, sender: Any, method: Method, named: dict[str, Any]
) -> None:
    try:
        node = recording.node_with_everywhere(node)
        _note_unheard_by_all(node, signal, sender, method, named)
    except Exception:
        recording.report_fault(node, "to count an unheard dispatch")


def _bear_witness(
    node: Any, signal: Any, sender: Any, method: Method, named: dict[str, Any]
) -> None:
    try:
        witnessing.see(node, signal, sender, method, named)
    except Exception:
        recording.report_fault(node, "to keep what was sent for a test")


def _close(record: Any, signal: Any, sender: Any, responses: Any, *, is_django: bool) -> None:
    try:
        if type(record) is DispatchRecord:
            if counting.running is not None:
                _count_calls(counting.running, record)
            if is_django:
                _note_responses(record, responses, 0)
            else:
                _note_own_loop(record, responses)
            if (
                record.calls
                or record.keepers is not None
                or type(responses) is not list
                or responses
            ):
                recording.close_dispatch(record)
            else:
                recording.count_unheard(record, signal, sender)
                record.parent = None
        elif type(record) is Unkept:
            was_heard = type(responses) is not list or len(responses) > 0
            recording.close_unkept(record, was_heard=was_heard, signal=signal, sender=sender)
    except Exception:
        recording.report_fault(record, "to end the record of a dispatch")


def _close_failed(record: Any, error: BaseException) -> None:
    try:
        if type(record) is DispatchRecord:
            if counting.running is not None:
                _count_calls(counting.running, record)
            recording.close_failed_dispatch(record, error)
        elif type(record) is Unkept:
            recording.close_unkept(record, was_heard=True, signal=None, sender=None)
    except Exception:
        recording.report_fault(record, "to record the exception of a dispatch")


def _note_responses(record: DispatchRecord, responses: Any, first: int) -> None:
    """Keep what the calls from ``first`` on returned, and take our callables out of the list."""
    if record.infos[1]:
        _unwatch(responses)
    try:
        calls = record.calls[first:] if first else record.calls
        if record.infos[1]:
            # Django 5.2's asend() may start them first; among the responses they are last.
            calls = sorted(calls, key=lambda call: call.info.is_async)
        if len(calls) != len(responses) and record.keepers:
            # Another tool gave Django's loop a list of its own.
            _note_unwatched(record, responses)
            return
        for call, pair in zip(calls, responses, strict=False):
            if pair[1] is not None and call.failure is None:
                call.response = record.recorders[-1].capture.value(pair[1])
    except Exception:
        recording.report_fault(record, "to record the responses of a dispatch")


def _note_own_loop(record: DispatchRecord, responses: Any) -> None:
    """A subclass's own send has ended: say what of it was not watched."""
    if type(responses) is not list:
        record.unwatched = None if record.calls else []
    elif not record.calls and responses:
        _note_unwatched(record, responses)
    elif len(responses) <= len(record.calls):
        record.unwatched = None  # It asked for the receivers, but let Django's loop run them.


def _unwatch(responses: list[Any]) -> None:
    """Give back the receivers themselves, in the list that Django made for its caller."""
    for index, (receiver, response) in enumerate(responses):
        if type(receiver) is WatchedReceiver:
            responses[index] = (receiver.receiver, response)


def _note_unwatched(record: DispatchRecord, responses: list[Any]) -> None:
    """Keep the names of receivers that ran in a loop we could not watch."""
    record.calls = []
    record.unwatched = [
        describe_receiver(each[0]).name
        for each in responses
        if type(each) is tuple and len(each) == 2
    ]


# Django's private methods, each the same in 5.2, 6.0 and 6.1


def _watch_live_receivers(original: Any) -> Any:
    # _live_receivers(sender) returns (synchronous receivers, asynchronous receivers).
    def _live_receivers(self: Any, sender: Any) -> Any:
        found = original(self, sender)
        split = _split_muted(self, sender, found) if muting.in_force.get() else None
        kept = watched = found if split is None else split.kept
        node = current.get()
        if node is not None:
            try:
                # Another tool may have put its own around ours, and get our list before Django.
                is_djangos = _loops_are_djangos and type(self)._live_receivers is _live_receivers
                watched = _watch_list(node, self, sender, found, split, is_djangos=is_djangos)
            except Exception:
                recording.report_fault(node, "to watch the receivers of a dispatch")
        if counting.running is not None and watched is kept:
            return _count_receivers(counting.running, self, sender, found, split)
        return watched

    return functools.wraps(original)(_live_receivers)


def _split_muted(signal: Any, sender: Any, found: Any) -> muting.Split | None:
    try:
        return muting.split(signal, sender, found)
    except Exception:
        recording.report_fault(current.get(), "to mute the receivers of a dispatch")
        return None


def _count_receivers(
    running: counting.Counting, signal: Any, sender: Any, found: Any, split: muting.Split | None
) -> Any:
    kept = found if split is None else split.kept
    try:
        both = infos_of(signal, sender, *found, is_ordered=_order_is_djangos)[:2]
        if split is not None:
            both = split.keep(both)
        return counting.count(running, signal, sender, kept, both)
    except Exception:
        recording.report_fault(current.get(), "to count the receivers that ran")
        return kept


def _count_calls(running: counting.Counting, record: DispatchRecord) -> None:
    try:
        counting.note_calls(running, record)
    except Exception:
        recording.report_fault(record, "to count the receivers that ran")


def _watch_list(
    node: Any,
    signal: Any,
    sender: Any,
    found: Any,
    split: muting.Split | None,
    *,
    is_djangos: bool,
) -> Any:
    connected = found
    if split is not None:
        found = split.kept
    if type(node) is not DispatchRecord or node.signal_id != id(signal):
        if signal is m2m_changed and not (found[0] or found[1]):
            # add() of a many-to-many field asks first, and sends nothing when nobody listens.
            for recorder in node.recorders:
                _note_unheard(node, recorder, signal, sender)
        elif type(node) is not Unkept or node.signal != signal_name.known.get(id(signal)):
            _note_own_method(node, signal, sys._getframe(2))
        return found
    if split is not None:
        # A dispatch that nobody was called for because of a mute is worth a record.
        node.link()
        infos = infos_of(signal, sender, *connected, is_ordered=_order_is_djangos)
        node.muted = split.leave_out(infos)
    synchronous, asynchronous = found
    if not node.in_django and (synchronous or asynchronous):
        node.unwatched = []  # Until its result says otherwise.
    if (
        not node.in_django
        or type(synchronous) is WatchedReceivers
        or not (synchronous or asynchronous)
    ):
        return found
    node.link()
    if not node.keepers:
        return found
    infos = infos_of(signal, sender, *connected, is_ordered=_order_is_djangos)
    if split is not None:
        infos = (*split.keep(infos), infos[2])
    node.infos = infos
    watched = WatchedReceivers(synchronous)
    watched.found, watched.infos, watched.record = synchronous, infos[0], node
    watched.is_djangos = is_djangos
    if asynchronous:
        found = asynchronous
        asynchronous = WatchedAsyncReceivers(found)
        asynchronous.found, asynchronous.infos, asynchronous.record = found, infos[1], node
        asynchronous.is_djangos = is_djangos
    return watched, asynchronous


def _note_own_method(node: Any, signal: Any, frame: types.FrameType | None) -> None:
    """Count a method of a ``Signal`` subclass, such as ``send_chained``, that runs receivers."""
    while frame is not None and frame.f_code.co_name.startswith("_"):
        frame = frame.f_back
    if frame is not None and frame.f_code.co_filename != DISPATCHER_FILE:
        for recorder in node.recorders:
            if recorder.is_running:
                recorder.count_unwatched(name_of_signal(signal), frame.f_code.co_name)


def _watch_log_robust_failure(original: Any) -> Any:
    # _log_robust_failure(receiver, err) is called where send_robust caught an exception.
    def _log_robust_failure(self: Any, receiver: Any, err: Any) -> Any:
        if type(receiver) is WatchedReceiver:
            _swallow(receiver.call, err)
            receiver = receiver.receiver
        else:
            _swallow_of_sync_receiver(err, sys._getframe(1))
        return original(self, receiver, err)

    return functools.wraps(original)(_log_robust_failure)


def _swallow_of_sync_receiver(error: BaseException, frame: types.FrameType | None) -> None:
    node = current.get()
    while type(node) is Root:  # A trace that the receiver started and did not end.
        node = node.outer
    if type(node) is CallRecord and not node.stopped:
        # A subclass's own loop may report an exception while a receiver of another signal runs.
        while frame is not None and frame.f_code.co_name == "_log_robust_failure":
            frame = frame.f_back
        if frame is not None and frame.f_code.co_filename == DISPATCHER_FILE:
            _swallow(node, error)


def _swallow(call: CallRecord | None, error: BaseException) -> None:
    if call is not None:
        try:
            call.fail(error, "swallowed")
        except Exception:
            recording.report_fault(call, "to record a swallowed exception")


# Install and uninstall


_patches = Patches()
# Whether the lists that we are given are in the order of the connections.
_order_is_djangos = True
# Whether the loops that take those lists from us are Django's own.
_loops_are_djangos = True


def _is_djangos(function: Any) -> bool:
    return type(function) is types.FunctionType and function.__code__.co_filename == DISPATCHER_FILE


def install() -> None:
    """Watch ``Signal`` and its subclasses, from now until ``uninstall()``. Idempotent.

    It stays: a class has a fixed number of version tags for life, and a process that installs
    and removes for every trace ends with every look-up on ``Signal`` uncached.
    """
    global _order_is_djangos, _loops_are_djangos
    for name, watch in _DJANGOS_OWN.items():
        _patches.replace(Signal, name, watch)
    _watch_sends(Signal)
    _order_is_djangos = _is_djangos(_patches.original(Signal, "_live_receivers"))
    sends = [_patches.original(Signal, name) for name in _METHODS if (Signal, name) in _patches]
    _loops_are_djangos = len(sends) == len(_METHODS) and all(map(_is_djangos, sends))
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
    "_live_receivers": _watch_live_receivers,
    "_log_robust_failure": _watch_log_robust_failure,
    "connect": watch_connections,
    "disconnect": watch_connections,
}
