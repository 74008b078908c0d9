"""The place where the receivers that Django found for a sender are watched on the way to its loop.

On that way the muted ones are left out, and those that run are recorded or counted.
"""

from __future__ import annotations

import functools
import sys
import types
from typing import Any

from django.db.models.signals import m2m_changed

from signal_tracer.collecting import counting, muting, recording
from signal_tracer.collecting.connections import infos_of
from signal_tracer.collecting.dispatches import note_unheard
from signal_tracer.collecting.hiding import hide_file
from signal_tracer.collecting.naming import name_of_signal, signal_name
from signal_tracer.collecting.nodes import DispatchRecord, Unkept
from signal_tracer.collecting.receivers import (
    DISPATCHER_FILE,
    WatchedAsyncReceivers,
    WatchedReceivers,
)
from signal_tracer.collecting.recording import current

hide_file(__file__)

# Whether the lists that we are given are in the order of the connections.
order_is_djangos = True
# Whether the loops that take those lists from us are Django's own.
loops_are_djangos = True


def watch_live_receivers(original: Any) -> Any:
    # Private, and the same in Django 5.2, 6.0 and 6.1:
    # _live_receivers(sender) returns (synchronous receivers, asynchronous receivers).
    def _live_receivers(self: Any, sender: Any) -> Any:
        found = original(self, sender)
        split = _split_muted(self, sender, found) if muting.in_force.get() else None
        kept = watched = found if split is None else split.kept
        node = current.get()
        if node is not None:
            try:
                # Another tool may have put its own around ours, and get our list before Django.
                is_djangos = loops_are_djangos and type(self)._live_receivers is _live_receivers
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
        both = infos_of(signal, sender, *found, is_ordered=order_is_djangos)[:2]
        if split is not None:
            both = split.keep(both)
        return counting.count(running, signal, sender, kept, both)
    except Exception:
        recording.report_fault(current.get(), "to count the receivers that ran")
        return kept


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
                note_unheard(node, recorder, signal, sender)
        elif type(node) is not Unkept or node.signal != signal_name.known.get(id(signal)):
            _note_own_method(node, signal, sys._getframe(2))
        return found
    if split is not None:
        # A dispatch that nobody was called for because of a mute is worth a record.
        node.link()
        infos = infos_of(signal, sender, *connected, is_ordered=order_is_djangos)
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
    infos = infos_of(signal, sender, *connected, is_ordered=order_is_djangos)
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
