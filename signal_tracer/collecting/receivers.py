"""Each receiver call is watched while Django's own loop makes it.

Synchronous receivers are never wrapped: what Django's loop goes over notes when it takes the next
one. Each asynchronous receiver gets a thin callable around it, which only that loop sees. On the
way there the muted ones are left out, and those that run are recorded or counted.
"""

from __future__ import annotations

import functools
import inspect
import operator
import sys
import types
import weakref
from collections.abc import Coroutine, Iterable, Iterator
from itertools import chain, repeat
from typing import Any

from django.db.models.signals import m2m_changed
from django.dispatch import Signal, dispatcher

from signal_tracer.collecting import clock, counting, muting, nodes
from signal_tracer.collecting.driving import drive
from signal_tracer.collecting.inlining import inlined
from signal_tracer.collecting.nodes import CallRecord, DispatchRecord, Root, Unkept, Within, current
from signal_tracer.collecting.patching import hide_file, hide_from_stacklevel, is_ours
from signal_tracer.collecting.recorder import Recorders
from signal_tracer.collecting.routes import Infos, ReceiverInfo, Route, behind, route_of
from signal_tracer.describing.frames import code_of, find_sender_frame
from signal_tracer.describing.names import is_a, name_of_signal, signal_name
from signal_tracer.describing.values import name_of_sender
from signal_tracer.records import Summary

# Django 5.2, 6.0 and 6.1 have all their loops over receivers there.
DISPATCHER_FILE = dispatcher.__file__

hide_file(DISPATCHER_FILE)
hide_file(__file__)

# Made once: a bound method is an object.
_set_current = current.set

_SYNCHRONOUS = ("send", "send_robust")

# In ``nodes.special`` while another tool has a loop in the place of one of Django's.
OTHER_LOOPS = "other loops"


# What Django is about to call


class Watch:
    """One ``_live_receivers`` that is watched: Django's own, or that of a subclass."""

    __slots__ = ("function", "is_djangos", "plain")

    def __init__(self, *, is_djangos: bool) -> None:
        self.is_djangos = is_djangos
        # What stands in the class now; the second if it is Django's own.
        self.function: Any = None
        self.plain: Any = None

    def stands_as(self, function: Any) -> Any:
        self.function = function
        self.plain = function if self.is_djangos else None
        return function


def watch_live_receivers(original: Any) -> Any:
    # Private, and the same in Django 5.2, 6.0 and 6.1:
    # _live_receivers(sender) returns (synchronous receivers, asynchronous receivers).
    watch = Watch(is_djangos=_is_djangos(original))

    def _live_receivers(self: Any, sender: Any) -> Any:
        return _hand_over(watch, self, sender, original(self, sender))

    found = inlined(_live_receivers, original)
    return watch.stands_as(found or functools.wraps(original)(_live_receivers))


def watch_own_live_receivers(original: Any) -> Any:
    """Of a subclass, which may take other arguments than Django's and return anything."""
    watch = Watch(is_djangos=False)

    def _live_receivers(self: Any, *args: Any, **named: Any) -> Any:
        found = original(self, *args, **named)
        sender = args[0] if args else named.get("sender")
        return _hand_over(watch, self, sender, found)

    watched = functools.wraps(original)(_live_receivers)
    return watch.stands_as(hide_from_stacklevel(watched, "_live_receivers"))


def _is_djangos(function: Any) -> bool:
    return type(function) is types.FunctionType and function.__code__.co_filename == DISPATCHER_FILE


def _hand_over(watch: Watch, signal: Any, sender: Any, found: Any) -> Any:
    """What Django's loop is to go over instead of the receivers that were ``found`` for it."""
    try:
        node: Any = current.get()
        if (
            type(node) is DispatchRecord
            and node.signal_id == id(signal)
            and node.in_django
            and not nodes.special
            and type(signal)._live_receivers is watch.plain
            and not found[1]
        ):
            # The plain case.
            node.has_asked = True
            receivers = found[0]
            if receivers and node.link():
                route = node.route
                infos = route.infos
                # As far as their numbers tell: each is compared when it is called.
                if (
                    route.size != len(signal.receivers)
                    or len(infos[0]) != len(receivers)
                    or infos[1]
                ):
                    infos = route.look_again(signal, sender, *found)
                node.infos = infos
                pairs = zip(receivers, infos[0])  # noqa: B905  # as quick as can be
                return _calls(node, route, signal, sender, found, pairs), found[1]
            return found
        ahead = getattr(type(signal), "_live_receivers", None)
        if ahead is not watch.function and is_ours(ahead):
            return found  # That of a subclass, which asked its parent's: what it returns is next.
        if not watch.is_djangos and not (is_a(signal, Signal) and _are_lists(found)):
            return found  # Of another class, which mixes in the same method; or not Django's.
        if nodes.special:
            return _with_care(node, signal, sender, found, ahead is watch.function)
        if node is None:
            return found
        return _watched(node, signal, sender, found, ahead is watch.function)
    except RecursionError:
        return found  # Nothing of ours may be needed here.
    except Exception:
        nodes.report_fault(current.get(), "to watch the receivers of a dispatch")
        return found


def _are_lists(found: Any) -> bool:
    return (
        type(found) in (tuple, list)
        and len(found) == 2
        and all(type(each) is list or type(each) is tuple for each in found)
    )


def _watched(node: Any, signal: Any, sender: Any, found: Any, is_next: bool) -> Any:
    """The receivers of an open dispatch, so that each call of one is noted.

    ``is_next``: nobody stands between us and Django's loop, so that nobody else can have these.
    """
    if type(node) is Within:
        node = node.outer
    if node.signal_id == id(signal):
        node.has_asked = True
    if type(node) is not DispatchRecord or node.signal_id != id(signal):
        _note_other_use(node, signal, sender, found)
        return found
    synchronous, asynchronous = found
    if not (synchronous or asynchronous):
        return found
    if not node.in_django:
        node.rarely().unwatched = []  # Until its result says otherwise.
        return found
    if type(synchronous) is WatchedReceivers:
        return found
    if node.is_kept is None:
        node.link()
    route: Any = node.route
    if not node.is_kept:
        return found
    if not is_next or OTHER_LOOPS in nodes.special:
        return _watched_lists(node, found, route.sure_infos(signal, sender, *found))
    if asynchronous:
        node.infos = route.sure_infos(signal, sender, *found)
        asynchronous = _stand_ins(node, asynchronous, node.infos[1])
    else:
        node.infos = route.infos_for(signal, sender, synchronous, asynchronous)
    if synchronous:
        # An own list may grow while Django goes over it.
        pairs = zip(synchronous, chain(node.infos[0], repeat(_UNKNOWN)))  # noqa: B905
        synchronous = _calls(node, route, signal, sender, found, pairs)
    return synchronous, asynchronous


def _with_care(node: Any, signal: Any, sender: Any, found: Any, is_next: bool) -> Any:
    """Where somebody mutes or counts receivers."""
    split = None
    if muting.in_force.get():
        split = muting.split(signal, sender, found, sys._getframe(2))
    kept = found if split is None else split.kept
    record = node.outer if type(node) is Within else node
    is_recorded = type(record) is DispatchRecord and record.signal_id == id(signal)
    watched = kept
    if split is not None and type(node) is Unkept and node.signal_id == id(signal):
        node.is_muted = True
    if node is not None and (split is None or not is_recorded):
        watched = _watched(node, signal, sender, kept, is_next)
    elif split is not None and is_recorded:
        # A dispatch that nobody was called for because of a mute is worth a record.
        record.link()
        route: Any = record.route
        record.has_asked = True
        infos = route.sure_infos(signal, sender, *found)
        record.rarely().muted = split.leave_out(infos)
        if record.in_django and record.is_kept and (kept[0] or kept[1]):
            if type(kept[0]) is not WatchedReceivers:
                watched = _watched_lists(record, kept, (*split.keep(infos), infos[2]))
        elif kept[0] or kept[1]:
            record.rarely().unwatched = [] if not record.in_django else None
    if counting.running is not None and watched is kept:
        return _counted(counting.running, signal, sender, found, split)
    return watched


def _counted(
    running: counting.Counting, signal: Any, sender: Any, found: Any, split: muting.Split | None
) -> Any:
    kept = found if split is None else split.kept
    about = route_of(signal, sender, sys._getframe(3))
    both: Any = about.sure_infos(signal, sender, *found)[:2]
    if split is not None:
        both = split.keep(both)
    return counting.count(running, about.signal, about.sender, kept, both)


def _note_other_use(node: Any, signal: Any, sender: Any, found: Any) -> None:
    """Somebody asks for the receivers of a signal that is not being sent, as far as we see."""
    if signal is m2m_changed and not (found[0] or found[1]):
        # add() of a many-to-many field asks first, and sends nothing when nobody listens.
        for recorder in node.recorders:
            names = name_of_signal(signal), name_of_sender(sender, recorder.capture)
            first = recorder.takes_locations and not recorder.has_counted(names)
            frame = find_sender_frame(sys._getframe(3)) if first else None
            recorder.count_unheard(signal, sender, names, *code_of(frame))
    elif type(node) is not Unkept or node.signal != signal_name.known.get(id(signal)):
        _note_own_method(node, signal, sys._getframe(3))


def _note_own_method(node: Any, signal: Any, frame: types.FrameType | None) -> None:
    """Count a method of a ``Signal`` subclass, such as ``send_chained``, that runs receivers."""
    while frame is not None and frame.f_code.co_name.startswith("_"):
        frame = frame.f_back
    if frame is not None and frame.f_code.co_filename != DISPATCHER_FILE:
        for recorder in node.recorders:
            recorder.count_unwatched(name_of_signal(signal), frame.f_code.co_name)


# Synchronous receivers


# Of a receiver that was not there when the others were looked up.
_UNKNOWN = ReceiverInfo(None, None, is_async=False)
# In the place of one that could not be recorded.
_NO_CALL = CallRecord(_UNKNOWN, Recorders(()), 1)
_NO_CALL.stopped = 1


def _calls(
    record: DispatchRecord,
    route: Route | None,
    signal: Any,
    sender: Any,
    found: Any,
    pairs: Iterable[Any],
) -> Iterator[Any]:
    """The receivers, one after the other as Django calls them.

    ``route`` is ``None`` where it is sure already that each info is about its receiver.
    """
    recorders, calls = record.recorders, record.calls
    now, set_current = clock.now, _set_current
    stale = record.infos[0]
    for receiver, info in pairs:
        try:
            if info.refers_to() is not receiver and route is not None and not info.is_of(receiver):
                info = _info_now(record, route, signal, sender, found, receiver, stale)
            call = CallRecord(info, recorders, now())
            calls.append(call)
            set_current(call)
        except RecursionError:
            call = _NO_CALL
        except Exception:
            call = _NO_CALL
            nodes.report_fault(record, "to begin the record of a receiver call")
        yield receiver
        # A receiver that raised does not come back here, unless send_robust caught it.
        if not call.stopped:
            call.stopped = now()
    # After a loop of Django's send() comes nothing that could be taken for the last receiver's.
    if route is None or record.method not in _SYNCHRONOUS or record.infos[1]:
        current.set(record)


def _info_now(
    record: DispatchRecord,
    route: Route,
    signal: Any,
    sender: Any,
    found: Any,
    receiver: Any,
    stale: list[ReceiverInfo],
) -> ReceiverInfo:
    """Of a receiver that is not the one that was called in its place last time."""
    if record.infos[0] is stale:
        record.infos = route.look_again(signal, sender, *found)
    called = [call.info for call in record.calls]
    for each, info in zip(found[0], record.infos[0], strict=False):
        if each is receiver and not any(info is other for other in called):
            return info
    return ReceiverInfo(receiver, Summary("unknown"), is_async=False)


def _watched_lists(record: DispatchRecord, found: Any, infos: Infos) -> Any:
    record.infos = infos
    watched = WatchedReceivers(found[0])
    watched.found, watched.infos, watched.record = list(found[0]), infos[0], record
    asynchronous = found[1]
    if asynchronous:
        asynchronous = WatchedAsyncReceivers(found[1])
        asynchronous.found, asynchronous.infos = list(found[1]), infos[1]
        asynchronous.record = record
    return watched, asynchronous


class WatchedReceivers(list[Any]):
    """Django's list of receivers, which only Django's own loop finds watched.

    It stays a list of the receivers themselves, because other tools read it and assign into it.
    """

    __slots__ = ("found", "infos", "record", "stand_ins")

    found: list[Any]
    infos: list[ReceiverInfo]
    record: DispatchRecord

    def __iter__(self) -> Iterator[Any]:
        if sys._getframe(1).f_code.co_filename == DISPATCHER_FILE and len(self) == len(self.infos):
            try:
                if not all(map(operator.is_, super().__iter__(), self.found)):
                    self.follow_changes()
                pairs = zip(super().__iter__(), self.infos, strict=True)
                return _calls(self.record, None, None, None, None, pairs)
            except Exception:
                nodes.report_fault(self.record, "to watch the receivers of a dispatch")
        return super().__iter__()

    def follow_changes(self) -> None:
        """Others have moved receivers, or put wrappers in their place: who is who now?"""
        known = {id(receiver): info for receiver, info in zip(self.found, self.infos, strict=True)}
        infos = self.infos[:]
        for index, receiver in enumerate(super().__iter__()):
            for candidate in (receiver, behind(receiver)):
                if id(candidate) in known:
                    infos[index] = known[id(candidate)]
        synchronous, asynchronous, near_misses = self.record.infos
        self.record.infos = (
            infos if synchronous is self.infos else synchronous,
            infos if asynchronous is self.infos else asynchronous,
            near_misses,
        )
        self.infos = infos
        self.found = list(super().__iter__())


class WatchedAsyncReceivers(WatchedReceivers):
    """Django's list of asynchronous receivers: its loop finds a callable around each."""

    __slots__ = ()

    def __iter__(self) -> Iterator[Any]:
        if sys._getframe(1).f_code.co_filename == DISPATCHER_FILE and len(self) == len(self.infos):
            try:
                # Django goes over them once to call them and once more for the responses.
                if not hasattr(self, "stand_ins"):
                    self.follow_changes()
                    self.stand_ins = _stand_ins(self.record, self.found, self.infos)
                return iter(self.stand_ins)
            except Exception:
                nodes.report_fault(self.record, "to watch the receivers of a dispatch")
        return list.__iter__(self)


# Asynchronous receivers


def _stand_ins(
    record: DispatchRecord, receivers: list[Any], infos: list[ReceiverInfo]
) -> list[Any]:
    for receiver, info in zip(receivers, infos, strict=True):
        if info.run is None:
            info.run = _run_like(receiver)
    record.rarely().stand_ins = stand_ins = [
        WatchedReceiver(receiver, info, record)
        for receiver, info in zip(receivers, infos, strict=True)
    ]
    return stand_ins


def name_like(coroutine: Any, model: Any) -> None:
    # "coroutine 'Signal.asend' was never awaited" should read as it does without us.
    coroutine.__name__ = model.__name__
    coroutine.__qualname__ = model.__qualname__


async def _run(coroutine: Any, call: CallRecord) -> Any:
    __traceback_hide__ = __tracebackhide__ = True
    call.started = clock.now()
    token = current.set(call)
    try:
        # Most receivers end without having waited for anything.
        awaited = coroutine.send(None)
    except StopIteration as stop:
        call.stopped = clock.now()
        return stop.value
    except BaseException as error:
        _fail(call, error)
        raise
    finally:
        node = current.get()
        current.reset(token)
    try:
        response = await drive(coroutine, current, node, awaited)
    except BaseException as error:
        _fail(call, error)
        raise
    call.stopped = clock.now()
    return response


hide_from_stacklevel(_run, "receiver")


def _run_like(receiver: Any) -> Any:
    """``_run()`` whose coroutines go by the name of the receiver's; ``False`` if it runs at once.

    To call a coroutine function runs nothing of its own yet.
    """
    if type(receiver) is not types.FunctionType:
        return False
    if not receiver.__code__.co_flags & inspect.CO_COROUTINE:
        return False
    run = types.FunctionType(_run.__code__, _run.__globals__, receiver.__name__)
    run.__qualname__ = receiver.__qualname__
    return run


class WatchedReceiver:
    """Stands for one asynchronous receiver in the list that Django's loop takes."""

    __slots__ = ("call", "coroutine", "info", "receiver", "record", "running")

    def __init__(self, receiver: Any, info: ReceiverInfo, record: DispatchRecord) -> None:
        self.receiver = receiver
        self.info = info
        self.record = record
        self.call: CallRecord | None = None
        # The receiver's own; and ours that runs it, weakly: who drops that hears of it at once.
        self.coroutine: Any = None
        self.running: Any = None

    def __call__(self, /, **named: Any) -> Any:
        __traceback_hide__ = __tracebackhide__ = True
        record, info = self.record, self.info
        try:
            self.call = call = CallRecord(info, record.recorders, 0)
            record.calls.append(call)
            run = info.run
        except Exception:
            nodes.report_fault(record, "to begin the record of an async receiver call")
            return self.receiver(**named)
        if run is False:
            return self._call(call, named)
        try:
            self.coroutine = coroutine = self.receiver(**named)
        except BaseException as error:
            call.started = clock.now()
            _fail(call, error)
            raise
        running = run(coroutine, call)
        self.running = weakref.ref(running)
        return running

    def _call(self, call: CallRecord, named: dict[str, Any]) -> Any:
        __traceback_hide__ = __tracebackhide__ = True
        call.started = clock.now()
        token = current.set(call)
        try:
            awaitable = self.receiver(**named)
        except BaseException as error:
            _fail(call, error)
            raise
        finally:
            current.reset(token)
        if type(awaitable) is not types.CoroutineType:
            # Not ours to drive: a future runs elsewhere, and anything else Django refuses.
            call.stopped = clock.now()
            return awaitable
        self.coroutine = awaitable
        call.started = 0
        running = _run(awaitable, call)
        name_like(running, awaitable)
        self.running = weakref.ref(running)
        return running

    def close(self) -> None:
        """Of a receiver that was never begun, say not that nobody awaited it.

        Django may cancel a task before its first step. Then our coroutine ends without having
        touched the receiver's, which without us would have been the one that was cancelled.
        """
        if self.running is not None and self.call is not None and not self.call.started:
            running = self.running()
            is_over = running is None or running.cr_frame is None
            if is_over:  # Otherwise it may begin yet: its task outlives the dispatch.
                self.coroutine.close()


hide_from_stacklevel(WatchedReceiver.__call__, "receiver")
hide_from_stacklevel(WatchedReceiver._call, "receiver")


class Closing:
    """Closes a coroutine that was never started, which Python would otherwise warn about.

    Of the two coroutines of a subclass's own ``asend()`` one stands around the other.
    """

    __slots__ = ("coroutine",)

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.coroutine = coroutine

    def __del__(self) -> None:
        self.coroutine.close()


def _fail(call: CallRecord, error: BaseException) -> None:
    try:
        call.fail(error)
    except Exception:
        nodes.report_fault(call, "to record the exception of a receiver")


# What send_robust() swallows


def watch_log_robust_failure(original: Any) -> Any:
    # Private, and the same in Django 5.2, 6.0 and 6.1:
    # _log_robust_failure(receiver, err) is called where send_robust caught an exception.
    def _log_robust_failure(self: Any, receiver: Any, err: Any) -> Any:
        receiver = _swallowed_by(receiver, err)
        return original(self, receiver, err)

    return inlined(_log_robust_failure, original) or functools.wraps(original)(_log_robust_failure)


def _swallowed_by(receiver: Any, error: BaseException) -> Any:
    """The receiver itself, whose exception is noted."""
    if type(receiver) is WatchedReceiver:
        _swallow(receiver.call, error)
        return receiver.receiver
    try:
        _swallow_of_sync_receiver(error, sys._getframe(1))
    except RecursionError:
        pass
    except Exception:
        nodes.report_fault(current.get(), "to record a swallowed exception")
    return receiver


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
            nodes.report_fault(call, "to record a swallowed exception")
