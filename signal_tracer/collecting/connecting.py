"""``connect()`` and ``disconnect()`` are watched.

Recorded is what other code than Django calls: the connections that Django makes for itself, as
its test client does for each request, are nobody's doing.
"""

from __future__ import annotations

import functools
import sys
from typing import Any

from django.apps import registry
from django.db.models import signals as model_signals

from signal_tracer.collecting import clock, nodes
from signal_tracer.collecting.nodes import current
from signal_tracer.collecting.patching import hide_file, hide_from_stacklevel
from signal_tracer.collecting.raw import ChangeRecord
from signal_tracer.collecting.receivers import DISPATCHER_FILE
from signal_tracer.collecting.routes import (
    forget_connections,
    name_of_connected,
    note_near_misses,
)
from signal_tracer.describing.connections import name_of_uid
from signal_tracer.describing.frames import find_sender_frame, is_machinery
from signal_tracer.describing.names import name_of_signal
from signal_tracer.describing.values import name_of_sender

hide_file(__file__)

# Where Django connects on behalf of whoever called it.
_CONNECT_FOR_OTHERS = (DISPATCHER_FILE, model_signals.__file__, registry.__file__)


def watch_connections(original: Any) -> Any:
    def changed(self: Any, *args: Any, **kwargs: Any) -> Any:
        __traceback_hide__ = __tracebackhide__ = True
        node = current.get()
        if node is None and nodes.everywhere is None:
            try:
                return original(self, *args, **kwargs)
            finally:
                _note_connections(self)
        _note_near_misses(node, self)
        change = _begin_change(node, original.__name__, self, args, kwargs, sys._getframe(1))
        try:
            answer = original(self, *args, **kwargs)
        finally:
            _note_connections(self)
        if change is not None:
            change.was_connected = answer if type(answer) is bool else None
            _keep_change(node, change)
        return answer

    return hide_from_stacklevel(functools.wraps(original)(changed), original.__name__)


def _note_near_misses(node: Any, signal: Any) -> None:
    """What was unheard until now was not missed by who connects from now on."""
    try:
        node = nodes.node_with_everywhere(node)
        for recorder in node.recorders:
            note_near_misses(recorder, signal)
    except Exception:
        nodes.report_fault(node, "to see who did not hear a signal")


def _note_connections(signal: Any) -> None:
    try:
        forget_connections(signal)
    except Exception:
        nodes.report_fault(current.get(), "to note a new connection")


def _begin_change(
    node: Any, action: Any, signal: Any, args: Any, kwargs: Any, frame: Any
) -> ChangeRecord | None:
    """The record of a ``connect()`` or ``disconnect()`` call, unless it is Django's own."""
    try:
        # The receiver() decorator, ModelSignal and models that were named by a string call for
        # somebody else.
        while frame is not None and frame.f_code.co_filename in _CONNECT_FOR_OTHERS:
            frame = frame.f_back
        site = find_sender_frame(frame)
        if site is not frame or frame is None or is_machinery[frame.f_code.co_filename]:
            return None
        names = "receiver", "sender", *(("weak",) if action == "connect" else ()), "dispatch_uid"
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        receiver, uid = given.get("receiver"), given.get("dispatch_uid")
        return ChangeRecord(
            action,
            name_of_signal(signal, site),
            name_of_connected(signal, receiver, given.get("sender"), uid),
            name_of_sender(given.get("sender")),
            None if uid is None else name_of_uid(uid),
            site.f_code,
            site.f_lasti,
            clock.now(),
        )
    except Exception:
        nodes.report_fault(node, "to see a connection change")
        return None


def _keep_change(node: Any, change: ChangeRecord) -> None:
    try:
        node = nodes.node_with_everywhere(node)
        for recorder in node.recorders:
            is_wanted = recorder.is_running and not recorder.excludes(change.signal)
            if is_wanted and recorder.keep_other():
                recorder.changes.append(change)
    except Exception:
        nodes.report_fault(node, "to record a connection change")
