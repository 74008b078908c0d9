"""``connect()`` and ``disconnect()`` are watched.

Recorded is what other code than Django calls: the connections that Django makes for itself, as
its test client does for each request, are nobody's doing.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from types import CodeType
from typing import Any

from django.apps import registry
from django.db.models import signals as model_signals
from django.dispatch import Signal

from signal_tracer.collecting import clock, nodes
from signal_tracer.collecting.nodes import current, fenced
from signal_tracer.collecting.patching import Replacement, Watcher, hide_file, hide_from_stacklevel
from signal_tracer.collecting.reading import Reading
from signal_tracer.collecting.receivers import DISPATCHER_FILE
from signal_tracer.collecting.routes import (
    count_twins,
    forget_connections,
    how_connected,
    name_of_connected,
    name_of_holder,
    note_near_misses,
)
from signal_tracer.describing.connections import name_of_uid
from signal_tracer.describing.frames import find_project_frame, find_sender_frame, is_machinery
from signal_tracer.describing.names import name_of_signal
from signal_tracer.describing.values import name_of_sender
from signal_tracer.records import Change, ConnectionChange, Value

hide_file(__file__)

# Where Django connects on behalf of whoever called it.
# The same three files in Django 5.2, 6.0 and 6.1.
_CONNECT_FOR_OTHERS = (DISPATCHER_FILE, model_signals.__file__, registry.__file__)


class ChangeRecord:
    """A ``connect()`` or ``disconnect()`` call."""

    __slots__ = (
        "action",
        "called_by",
        "connected_as",
        "dispatch_uid",
        "held_by",
        "instruction",
        "receiver",
        "sender",
        "signal",
        "started",
        "through",
        "twins",
        "was_connected",
    )

    def __init__(
        self,
        action: Change,
        signal: str,
        receiver: str,
        sender: str,
        dispatch_uid: Value,
        called_by: CodeType | None,
        instruction: int,
        started: int,
        through: tuple[CodeType, int] | None = None,
    ) -> None:
        self.action = action
        self.signal = signal
        self.receiver = receiver
        self.sender = sender
        self.dispatch_uid = dispatch_uid
        self.called_by = called_by
        self.instruction = instruction
        self.started = started
        self.through = through
        self.was_connected: bool | None = None
        self.held_by: str | None = None
        self.twins = 0
        self.connected_as: str | None = None


class Changes(list[ChangeRecord]):
    """Those of a whole trace, wherever they were made."""

    __slots__ = ()

    def read(self, reading: Reading) -> dict[str, Any]:
        return {"connection_changes": [_read(each, reading) for each in self[:]]}


def _read(record: ChangeRecord, reading: Reading) -> ConnectionChange:
    is_located = reading.config.record_locations
    called_by = record.called_by if is_located else None
    through = record.through if is_located else None
    return ConnectionChange(
        action=record.action,
        signal=record.signal,
        receiver=record.receiver,
        sender=record.sender,
        dispatch_uid=reading.value(record.dispatch_uid),
        called_from=reading.location(called_by, record.instruction),
        started_at=reading.since_start(record.started),
        was_connected=record.was_connected,
        held_by=record.held_by,
        through=None if through is None else reading.location(*through),
        twins=record.twins,
        connected_as=record.connected_as and reading.redact_shapes(record.connected_as),
    )


def _watch(original: Any) -> Any:
    def changed(self: Any, *args: Any, **kwargs: Any) -> Any:
        __traceback_hide__ = __tracebackhide__ = True
        node = current.get()
        if node is None and nodes.everywhere is None:
            try:
                return original(self, *args, **kwargs)
            finally:
                _note_connections(self)
        _note_near_misses(node, self)
        change = _begin_change(original.__name__, self, args, kwargs, sys._getframe(1))
        try:
            answer = original(self, *args, **kwargs)
        finally:
            _note_connections(self)
        if change is not None:
            change.was_connected = answer if type(answer) is bool else None
            if change.was_connected is not False:
                change.connected_as = None
            _keep_change(node, change)
        return answer

    return hide_from_stacklevel(functools.wraps(original)(changed), original.__name__)


@fenced("to see who did not hear a signal")
def _note_near_misses(node: Any, signal: Any) -> None:
    """What was unheard until now was not missed by who connects from now on."""
    node = nodes.node_with_everywhere(node)
    for recorder in node.recorders:
        note_near_misses(recorder, signal)


@fenced("to note a new connection")
def _note_connections(signal: Any) -> None:
    forget_connections(signal)


@fenced("to see a connection change")
def _begin_change(
    action: Any, signal: Any, args: Any, kwargs: Any, frame: Any
) -> ChangeRecord | None:
    """The record of a ``connect()`` or ``disconnect()`` call, unless it is Django's own."""
    # The receiver() decorator, ModelSignal and models that were named by a string call for
    # somebody else.
    while frame is not None and frame.f_code.co_filename in _CONNECT_FOR_OTHERS:
        frame = frame.f_back
    site = find_sender_frame(frame)
    if frame is None or site is None or is_machinery[frame.f_code.co_filename] is not False:
        return None
    lead = find_project_frame(site) or site
    names = "receiver", "sender", *(("weak",) if action == "connect" else ()), "dispatch_uid"
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    receiver, uid = given.get("receiver"), given.get("dispatch_uid")
    change = ChangeRecord(
        action,
        name_of_signal(signal, site),
        name_of_connected(signal, receiver, given.get("sender"), uid),
        name_of_sender(given.get("sender")),
        None if uid is None else name_of_uid(uid),
        lead.f_code,
        lead.f_lasti,
        clock.now(),
        None if site is lead else (site.f_code, site.f_lasti),
    )
    if action == "connect":
        change.held_by = name_of_holder(signal, receiver, given.get("sender"), uid)
        change.twins = count_twins(signal, receiver, given.get("sender"))
    elif receiver is not None:
        change.connected_as = how_connected(signal, receiver)
    return change


@fenced("to record a connection change")
def _keep_change(node: Any, change: ChangeRecord) -> None:
    node = nodes.node_with_everywhere(node)
    for recorder in node.recorders:
        is_wanted = recorder.is_running and not recorder.excludes(change.signal)
        if is_wanted and recorder.keep_other():
            recorder.activity[Changes].append(change)


def _replacements() -> Iterator[Replacement]:
    yield Signal, "connect", _watch
    yield Signal, "disconnect", _watch


WATCHER = Watcher(_replacements)
