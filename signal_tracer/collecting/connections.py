"""The place that reads ``Signal.receivers``: who is connected, under which ``dispatch_uid``."""

from __future__ import annotations

import types
import weakref
from collections.abc import Callable
from typing import Any

from django.db.models.signals import m2m_changed

from signal_tracer.collecting.capture import name_of_sender
from signal_tracer.collecting.entries import Entry, identity, name_of_uid, read_entry
from signal_tracer.collecting.infos import Infos, MissInfo, ReceiverInfo
from signal_tracer.collecting.naming import IdentityCache, describe_receiver, is_a
from signal_tracer.collecting.near_misses import family, reason_to_expect
from signal_tracer.collecting.recorder import Recorder
from signal_tracer.trace import Summary, Value


class _KnownInfos:
    """The receiver infos of one signal by sender, until its connections change."""

    __slots__ = ("by_sender", "list_id", "near", "size")

    def __init__(self, signal: Any) -> None:
        # Tests put a list of their own in the place of Django's, without connecting.
        self.list_id = id(signal.receivers)
        self.size = len(signal.receivers)
        self.by_sender: dict[int, Infos] = {}
        # By class, and whether the class itself was sent; with a weak reference to the class.
        self.near: dict[tuple[int, bool], tuple[Any, list[MissInfo]]] = {}


_known_infos: IdentityCache[_KnownInfos] = IdentityCache(_KnownInfos)


def infos_of(
    signal: Any, sender: Any, synchronous: list[Any], asynchronous: list[Any], *, is_ordered: bool
) -> Infos:
    """What is known of each receiver that Django is about to call, in the order of the two lists.

    ``is_ordered``: the lists are Django's own, and so in the order of the connections. Otherwise
    another tool may have put wrappers into them, and each receiver is looked up.
    """
    known = _known_infos.known.get(id(signal)) or _known_infos(signal)
    if (
        known.size != len(signal.receivers)
        or known.list_id != id(signal.receivers)
        or len(known.by_sender) > 1000
    ):
        known = _look_again(signal)
    infos = known.by_sender.get(id(sender))
    if (
        infos is None
        or not is_ordered
        or len(infos[0]) != len(synchronous)
        or len(infos[1]) != len(asynchronous)
    ):
        connections = _connections_for(signal, sender)
        called = {identity(entry.receiver) for entry in connections}
        is_class = is_a(sender, type)
        near = _near_misses(known, signal, sender if is_class else type(sender), is_class=is_class)
        infos = (
            [_info_of(receiver, False, connections) for receiver in synchronous],
            [_info_of(receiver, True, connections) for receiver in asynchronous],
            [each for each in near if each.identity not in called],
        )
        known.by_sender[id(sender)] = infos
    return infos


def _look_again(signal: Any) -> _KnownInfos:
    _known_infos.forget(signal)
    return _known_infos(signal)


def near_misses_of_unheard(recorder: Recorder) -> dict[tuple[str, str], list[MissInfo]]:
    """Of each signal and sender that nobody heard: who might have been expected to."""
    found = {}
    for names, (signal_reference, class_reference, is_class) in list(
        recorder.unheard_senders.items()
    ):
        signal, own = signal_reference(), class_reference()
        if signal is not None and own is not None and signal.receivers:
            known = _known_infos(signal)
            if known.size != len(signal.receivers) or known.list_id != id(signal.receivers):
                known = _look_again(signal)
            near = _near_misses(known, signal, own, is_class=is_class)
            if near:
                found[names] = [each for each in near if each.is_live()]
    return found


def _near_misses(known: _KnownInfos, signal: Any, own: Any, *, is_class: bool) -> list[MissInfo]:
    key = id(own), is_class
    reference, found = known.near.get(key, (None, []))
    if reference is None or reference() is not own:
        found = _find_near_misses(signal, own, is_class=is_class)
        if len(known.near) > 1000:
            known.near.clear()
        known.near[key] = weakref.ref(own), found
    return found


def _find_near_misses(signal: Any, own: Any, *, is_class: bool) -> list[MissInfo]:
    is_m2m = signal is m2m_changed
    relatives: dict[int, type] | None = None
    found = []
    for entry in map(read_entry, list(signal.receivers)):
        sender_id = entry.sender_id
        if entry.receiver is None or sender_id == _NOBODY or (is_class and sender_id == id(own)):
            continue
        # Django 5.2 keeps nothing of a sender but its id: it is looked for among the relatives.
        connected = entry.sender_reference() if entry.sender_reference is not None else None
        if connected is None:
            if relatives is None:
                relatives = family(own, is_m2m=is_m2m)
            connected = relatives.get(sender_id) if type(sender_id) is int else None
        if connected is None:
            continue
        reason = reason_to_expect(own, connected, is_class=is_class, is_m2m=is_m2m)
        if reason is not None:
            found.append(
                MissInfo(
                    _describe(entry.receiver, entry.dispatch_uid, is_async=bool(entry.is_async)),
                    reason,
                    name_of_sender(connected),
                    identity(entry.receiver),
                    entry.reference,
                )
            )
    return found


def _connections_for(signal: Any, sender: Any) -> list[Entry]:
    """The connections of live receivers that Django would call, in order."""
    wanted = (identity(None), identity(sender))
    return [
        entry
        for entry in map(read_entry, list(signal.receivers))
        if entry.receiver is not None and entry.sender_id in wanted
    ]


def listeners(
    signal: Any, sender: Any, is_muted: Callable[[Any, Any, Any], bool]
) -> list[ReceiverInfo]:
    """The live receivers that Django would call, in its order: the asynchronous ones last."""
    found = [
        _describe(entry.receiver, entry.dispatch_uid, is_async=bool(entry.is_async))
        for entry in _connections_for(signal, sender)
        if not is_muted(signal, sender, entry.receiver)
    ]
    return sorted(found, key=lambda info: info.is_async)


def _describe(receiver: Any, uid: Value, *, is_async: bool) -> ReceiverInfo:
    described = describe_receiver(receiver)
    return ReceiverInfo(described.name, described.defined_at, uid, is_async)


def name_of_connected(signal: Any, receiver: Any, sender: Any, uid: Any) -> str:
    """The receiver that a ``connect()`` or ``disconnect()`` call is about.

    ``disconnect()`` may be given a ``dispatch_uid`` alone: then it is the one that goes by it.
    """
    if receiver is None and type(uid) is str:
        for entry in map(read_entry, list(signal.receivers)):
            if (
                entry.receiver is not None
                and entry.sender_id == identity(sender)
                and entry.dispatch_uid == name_of_uid(uid)
            ):
                receiver = entry.receiver
    return "unknown" if receiver is None else describe_receiver(receiver).name


_NOBODY = identity(None)


def _info_of(receiver: Any, is_async: bool, connections: list[Entry]) -> ReceiverInfo:
    """Takes the receiver's connection off the list, so that the next one of the same is next."""
    for candidate in (receiver, behind(receiver)):
        wanted = identity(candidate)
        for index, entry in enumerate(connections):
            if identity(entry.receiver) == wanted:
                del connections[index]
                info = _describe(entry.receiver, entry.dispatch_uid, is_async=is_async)
                info.hears_any_sender = entry.sender_id == _NOBODY
                return info
    return _describe(receiver, Summary("unknown"), is_async=is_async)


def behind(receiver: Any) -> Any:
    """The receiver that another tool's wrapper stands for."""
    if type(receiver) is types.FunctionType:
        return dict.get(receiver.__dict__, "__wrapped__")
    return None


def forget_connections(signal: Any = None) -> None:
    """``signal`` (or every signal) has new connections: look again."""
    if signal is None:
        _known_infos.clear()
    else:
        _known_infos.forget(signal)
