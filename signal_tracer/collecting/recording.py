"""The place that knows which trace and receiver call the running code belongs to.

The context variable ``current`` holds a node while a trace runs; ``nodes`` says of which kinds
there are. What is sent next is recorded under it.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar
from types import FrameType
from typing import Any

from signal_tracer.collecting import clock, spans
from signal_tracer.collecting.capture import name_of_sender
from signal_tracer.collecting.deeds import Activity
from signal_tracer.collecting.infos import NO_INFOS
from signal_tracer.collecting.naming import (
    class_name,
    find_sender_frame,
    is_machinery,
    name_of_signal,
    signal_name,
)
from signal_tracer.collecting.nodes import (
    CallRecord,
    DispatchRecord,
    Node,
    Root,
    Unkept,
    capture_error,
)
from signal_tracer.collecting.recorder import Recorder
from signal_tracer.trace import Method

logger = logging.getLogger("signal_tracer")

# Receivers can nest deeper than Python and JSON can follow: both stop near 1,000 levels.
DEEPEST = 100

current: ContextVar[Node | None] = ContextVar("signal_tracer.current", default=None)


def activities_at(node: Node | None) -> list[Activity]:
    """Where to note what the running code does: of the innermost receiver call, or the trace's.

    More than one where a receiver call started a trace of its own.
    """
    found: list[Activity] = []
    while node is not None:
        if type(node) is CallRecord:
            if node.activity is None:
                node.activity = Activity()
            found.append(node.activity)
            break
        if type(node) is Root:
            if node.recorder.is_running:
                found.append(node.recorder.activity)
            node = node.outer
        elif type(node) is DispatchRecord:
            node = node.parent  # Between two receivers, in code of the signal's own class.
        elif type(node) is Unkept:
            if node.outer is None:  # Below a dispatch that was not kept.
                found += [each.activity for each in node.recorders if each.is_running]
            node = node.outer
    return found


def innermost_call(node: Node | None) -> CallRecord | None:
    """The receiver call that runs the code; ``None`` outside, and below what is not recorded."""
    while node is not None and type(node) is not CallRecord:
        if type(node) is Root:
            node = node.outer
        elif type(node) is DispatchRecord and node.keepers != () and node.unwatched is None:
            node = node.parent  # Between two receivers, in code of the signal's own class.
        else:
            return None
    return node


# Traces of the whole process (all_threads=True), for code whose context has none of its own.
everywhere: tuple[Recorder, ...] = ()


# Of traces that keep what is sent alive, which tests ask for.
witnesses: tuple[Any, ...] = ()


def watch_everywhere(recorder: Recorder) -> None:
    global everywhere
    everywhere = (*everywhere, recorder)


def leave_everywhere(recorder: Recorder) -> None:
    global everywhere
    everywhere = tuple(each for each in everywhere if each is not recorder)


def node_with_everywhere(node: Node | None) -> Node | None:
    """``node``, with the traces of the whole process that were started elsewhere."""
    for recorder in everywhere:
        if node is None or recorder not in node.recorders:
            node = Root(recorder, node)
    return node


def nearest_running(node: Node | None) -> Node | None:
    """``node`` without the traces around it that have ended, so that they can be forgotten."""
    while type(node) is Root and not node.recorder.is_running:
        node = node.outer
    if node is None or any(recorder.is_running for recorder in node.recorders):
        return node
    return None


def open_dispatch(
    node: Node,
    signal: Any,
    sender: object,
    method: Method,
    named: dict[str, object],
    caller: FrameType,
) -> DispatchRecord | Unkept:
    """Begin to record a dispatch that at least one running trace is to see."""
    recorders = node.recorders.running() if len(node.recorders) > 1 else node.recorders
    recorder = recorders[-1]
    site: FrameType | None = caller
    if is_machinery.get(caller.f_code.co_filename) is not False:
        site = find_sender_frame(caller)
    name = signal_name.known.get(id(signal)) or name_of_signal(signal, site)
    if not recorder.has_room or recorder.excluded_names.get(name) is not False:
        wanting = [each for each in recorders if not each.excludes(name)]
        if not wanting:
            return Unkept(recorders, name, node)
        for each in wanting:
            if each.has_room:
                break
        else:
            return Unkept(recorders, name, None)
    if recorders.depth >= DEEPEST:
        return Unkept(recorders, name, None, is_too_deep=True)
    kwargs = recorder.capture.kwargs(named)
    if not recorder.config.record_locations:
        site = None
    record = DispatchRecord(
        node,
        recorders.below or recorders.go_below(),
        name,
        id(signal),
        class_name.known.get(id(sender)) or name_of_sender(sender),
        method,
        kwargs,
        None if site is None else site.f_code,
        0 if site is None else site.f_lasti,
    )
    here = spans.place.here
    if here is not None:
        # A trace that began inside a callback, or one of the whole process, stands between.
        around = node.outer if type(node) is Root else node
        record.here = here.of(node, around, named.get("using"))
    return record


def close_unkept(unkept: Unkept, *, was_heard: bool, signal: Any, sender: object) -> None:
    """Count a dispatch that was not recorded."""
    if unkept.signal is None:
        return
    if unkept.is_too_deep:
        for recorder in unkept.recorders:
            recorder.too_deep += 1
    elif was_heard:
        for recorder in unkept.recorders:
            recorder.leave_out(unkept.signal)
    else:
        count_unheard(unkept, signal, sender)


def close_dispatch(record: DispatchRecord) -> None:
    """Note that a dispatch ended, after at least one receiver was called for it."""
    record.stopped = clock.now()
    if record.keepers is None:
        record.link()
    record.near_misses = record.infos[2]
    record.infos = NO_INFOS
    record.parent = None


def close_failed_dispatch(record: DispatchRecord, error: BaseException) -> None:
    """Note that a dispatch ended by raising, and which receivers consequently never ran."""
    for call in record.calls:
        if call.started and not call.stopped and not call.info.is_async:
            call.fail(error)
    record.error = capture_error(error, record.recorders)
    synchronous = sum(1 for call in record.calls if not call.info.is_async)
    asynchronous = len(record.calls) - synchronous
    record.not_run = [*record.infos[0][synchronous:], *record.infos[1][asynchronous:]]
    close_dispatch(record)


def count_unheard(node: Node, signal: Any, sender: object) -> None:
    for recorder in node.recorders:
        if recorder.is_running:
            recorder.count_unheard(signal, sender)


def report_fault(node: Node | None, doing: str) -> None:
    """Say that the tracer itself failed, once a kind, and count it; to be called in ``except``."""
    for recorder in everywhere if node is None else node.recorders:
        recorder.faults += 1
    if doing not in _reported:
        _reported.add(doing)
        try:
            logger.exception(
                "signal_tracer failed %s; the traced code went on undisturbed. "
                "Further failures of this kind are only counted in Trace.faults.",
                doing,
            )
        except RecursionError:
            _reported.discard(doing)  # No room to say it so near the limit.


_reported: set[str] = set()
