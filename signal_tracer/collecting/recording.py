"""Which trace and receiver call the running code belongs to.

The context variable ``current`` holds a node while a trace runs; ``nodes`` says of which kinds
there are. What is sent next is recorded under it.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import Any

from signal_tracer.collecting.deeds import Activity
from signal_tracer.collecting.nodes import CallRecord, DispatchRecord, Node, Root, Within
from signal_tracer.collecting.recorder import Recorder
from signal_tracer.collecting.routes import forget_routes

logger = logging.getLogger("signal_tracer")

current: ContextVar[Node | None] = ContextVar("signal_tracer.current", default=None)

# Of the traces of the whole process (all_threads=True), for code whose context has none of its
# own; None without such a trace.
everywhere: Root | None = None

# Whoever mutes or counts receivers now, and loops that are not Django's: while there are any, the
# receivers of a dispatch are handed over with care.
special: set[object] = set()

# Of traces that keep what is sent alive, which tests ask for.
witnesses: tuple[Any, ...] = ()


def watch_everywhere(recorder: Recorder) -> None:
    global everywhere
    everywhere = Root(recorder, everywhere)
    forget_routes()  # They have counted for others alone.


def leave_everywhere(recorder: Recorder) -> None:
    global everywhere
    others = [] if everywhere is None else list(everywhere.recorders)
    everywhere = None
    for each in others:
        if each is not recorder:
            everywhere = Root(each, everywhere)


def node_with_everywhere(node: Node | None) -> Node | None:
    """``node``, with the traces of the whole process that were started elsewhere."""
    if node is None or everywhere is None:
        return everywhere if node is None else node
    for recorder in everywhere.recorders:
        if recorder not in node.recorders:
            node = Root(recorder, node)
    return node


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
            if node.recorder is not None:
                found.append(node.recorder.activity)
            node = node.outer
        elif type(node) is DispatchRecord:
            node = node.parent  # Between two receivers, in code of the signal's own class.
        else:
            outer: Node | None = node.outer  # type: ignore[union-attr]  # the others have one
            if outer is None:  # Below a dispatch that was not kept.
                found += [each.activity for each in node.recorders]
            node = outer
    return found


def innermost_call(node: Node | None) -> CallRecord | None:
    """The receiver call that runs the code; ``None`` outside, and below what is not recorded."""
    while node is not None and type(node) is not CallRecord:
        if type(node) is Root or type(node) is Within:
            node = node.outer
        elif (
            type(node) is DispatchRecord
            and node.is_kept is not False
            and node.rare.unwatched is None
        ):
            node = node.parent  # Between two receivers, in code of the signal's own class.
        else:
            return None
    return node


def nearest_running(node: Node | None) -> Node | None:
    """``node`` without the traces around it that have ended, so that they can be forgotten."""
    while type(node) is Root and node.recorder is None:
        node = node.outer
    return node if node is not None and node.recorders.all else None


def report_fault(node: Node | None, doing: str) -> None:
    """Say that the tracer itself failed, once a kind, and count it; to be called in ``except``."""
    if node is None or not node.recorders.all:
        node = everywhere
    for recorder in () if node is None else node.recorders.all:
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
