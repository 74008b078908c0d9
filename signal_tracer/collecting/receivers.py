"""The place where a receiver call is watched while Django's own loop makes it.

Synchronous receivers are never wrapped: the list that Django's loop goes over notes when it takes
the next one. Each asynchronous receiver gets a thin callable around it, which only that loop sees.
"""

from __future__ import annotations

import functools
import operator
import sys
import types
from collections.abc import Coroutine, Generator, Iterator
from typing import Any

from django.dispatch import dispatcher

from signal_tracer.collecting import clock, recording
from signal_tracer.collecting.connections import behind
from signal_tracer.collecting.hiding import hide_file, pass_over
from signal_tracer.collecting.infos import ReceiverInfo
from signal_tracer.collecting.nodes import CallRecord, DispatchRecord, Root
from signal_tracer.collecting.recording import current

DISPATCHER_FILE = dispatcher.__file__

hide_file(DISPATCHER_FILE)
hide_file(__file__)


def name_like(coroutine: Any, model: Any) -> None:
    # "coroutine 'Signal.asend' was never awaited" should read as it does without us.
    coroutine.__name__ = model.__name__
    coroutine.__qualname__ = model.__qualname__


@types.coroutine
def held(coroutine: Any, node: Any) -> Generator[Any, Any, Any]:
    """Run ``coroutine`` with ``current`` set to ``node`` while it runs, and not while it waits.

    Since Django 6.1 the async receivers of a dispatch share one ``contextvars.Context``: what
    one leaves set while it waits, its siblings would find, and so would the sender afterwards.
    """
    __traceback_hide__ = True
    step, value = coroutine.send, None
    while True:
        token = current.set(node)
        try:
            awaited = step(value)
        except StopIteration as stop:
            return stop.value
        finally:
            # It may have started a trace that goes on over the wait.
            node = current.get()
            current.reset(token)
            value = None
        try:
            value = yield awaited
            step = coroutine.send
        except GeneratorExit:
            token = current.set(node)
            try:
                coroutine.close()
            finally:
                current.reset(token)
            raise
        except BaseException as error:
            step, value = coroutine.throw, error
        # An exception, or a future that has one, would keep alive the frames that it passes.
        awaited = None


pass_over(held, "receiver")


class WatchedReceivers(list[Any]):
    """Django's list of receivers, which only Django's own loop finds watched.

    It stays a list of the receivers themselves, because other tools read it and assign into it,
    and so do subclasses of ``Signal``.
    """

    __slots__ = ("found", "infos", "is_djangos", "record", "stand_ins")

    found: list[Any]
    infos: list[ReceiverInfo]
    # Nobody stands between us and Django's loop, so that nobody else can have this list.
    is_djangos: bool
    record: DispatchRecord

    def __iter__(self) -> Iterator[Any]:
        if self.is_djangos:
            return _calls(self.record, super().__iter__(), self.infos)
        if sys._getframe(1).f_code.co_filename == DISPATCHER_FILE and len(self) == len(self.infos):
            try:
                if not all(map(operator.is_, super().__iter__(), self.found)):
                    self.follow_changes()
                return _calls(self.record, super().__iter__(), self.infos)
            except Exception:
                recording.report_fault(self.record, "to watch the receivers of a dispatch")
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
        if self.is_djangos or (
            sys._getframe(1).f_code.co_filename == DISPATCHER_FILE and len(self) == len(self.infos)
        ):
            try:
                # Django goes over them once to call them and once more for the responses.
                if not hasattr(self, "stand_ins"):
                    if not self.is_djangos:
                        self.follow_changes()
                    self.stand_ins = [
                        WatchedReceiver(receiver, info, self.record)
                        for receiver, info in zip(self.found, self.infos, strict=True)
                    ]
                return iter(self.stand_ins)
            except Exception:
                recording.report_fault(self.record, "to watch the receivers of a dispatch")
        return list.__iter__(self)


def _calls(
    record: DispatchRecord, receivers: Iterator[Any], infos: list[ReceiverInfo]
) -> Iterator[Any]:
    recorders, add_call, set_current = record.recorders, record.calls.append, current.set
    for receiver, info in zip(receivers, infos, strict=True):
        call = None
        try:
            call = CallRecord(info, recorders, clock.now())
            add_call(call)
            set_current(call)
        except Exception:
            recording.report_fault(record, "to begin the record of a receiver call")
        yield receiver
        # A receiver that raised does not come back here, unless send_robust caught it.
        if call is not None and not call.stopped:
            call.stopped = clock.now()
    current.set(record)


class WatchedReceiver:
    """Stands for one asynchronous receiver in the list that Django's loop takes."""

    __slots__ = ("call", "info", "receiver", "record")

    def __init__(self, receiver: Any, info: ReceiverInfo, record: DispatchRecord) -> None:
        self.receiver = receiver
        self.info = info
        self.record = record
        self.call: CallRecord | None = None

    def __call__(self, /, **named: Any) -> Any:
        __traceback_hide__ = True
        call = self._begin()
        if call is None:
            return self.receiver(**named)
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
        call.started = 0
        coroutine = _run(Closing(awaitable), call)
        name_like(coroutine, awaitable)
        return coroutine

    def _begin(self) -> CallRecord | None:
        try:
            self.call = CallRecord(self.info, self.record.recorders, clock.now())
            self.record.calls.append(self.call)
        except Exception:
            recording.report_fault(self.record, "to begin the record of an async receiver call")
        return self.call


class Closing:
    """Closes a coroutine that was never started, which Python would otherwise warn about.

    Django may cancel a task before its first step. Then our coroutine ends without having
    touched the receiver's, which without us would have been the one that was cancelled.
    """

    __slots__ = ("coroutine",)

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.coroutine = coroutine

    def __del__(self) -> None:
        self.coroutine.close()


async def _run(closing: Closing, call: CallRecord) -> Any:
    __traceback_hide__ = True
    call.started = clock.now()
    try:
        response = await held(closing.coroutine, call)
    except BaseException as error:
        _fail(call, error)
        raise
    call.stopped = clock.now()
    return response


pass_over(WatchedReceiver.__call__, "receiver")
pass_over(_run, "receiver")


def _fail(call: CallRecord, error: BaseException) -> None:
    try:
        call.fail(error)
    except Exception:
        recording.report_fault(call, "to record the exception of a receiver")


def watch_log_robust_failure(original: Any) -> Any:
    # Private, and the same in Django 5.2, 6.0 and 6.1:
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
