"""The place that reads ``Signal.receivers``: who is connected, under which ``dispatch_uid``."""

from __future__ import annotations

import types
import weakref
from typing import Any

from django.db.models.signals import m2m_changed

from signal_tracer.collecting.capture import Capture, name_of_sender, render
from signal_tracer.collecting.naming import IdentityCache, describe_receiver, is_a
from signal_tracer.collecting.near_misses import family, reason_to_expect
from signal_tracer.collecting.recording import Infos, MissInfo, ReceiverInfo, Recorder
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
        called = {_identity(receiver) for receiver, _ in connections}
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
    for entry in list(signal.receivers):
        receiver, sender_key, uid = _read_connection(entry)
        if receiver is None or sender_key == _NOBODY or (is_class and sender_key == id(own)):
            continue
        # Django 5.2 keeps nothing of a sender but its id: it is looked for among the relatives.
        connected = entry[2]() if len(entry) == 4 and entry[2] is not None else None
        if connected is None:
            if relatives is None:
                relatives = family(own, is_m2m=is_m2m)
            connected = relatives.get(sender_key) if type(sender_key) is int else None
        if connected is None:
            continue
        reason = reason_to_expect(own, connected, is_class=is_class, is_m2m=is_m2m)
        if reason is not None:
            found.append(
                MissInfo(
                    _describe(receiver, uid, is_async=entry[-1] is True),
                    reason,
                    name_of_sender(connected),
                    _identity(receiver),
                    entry[1] if issubclass(type(entry[1]), weakref.ReferenceType) else None,
                )
            )
    return found


def _connections_for(signal: Any, sender: Any) -> list[tuple[Any, Value]]:
    """The live receivers that Django would call, in order, each with its ``dispatch_uid``."""
    wanted = (_identity(None), _identity(sender))
    return [
        (receiver, uid)
        for receiver, sender_key, uid in map(_read_connection, list(signal.receivers))
        if receiver is not None and sender_key in wanted
    ]


def listeners(signal: Any, sender: Any) -> list[ReceiverInfo]:
    """The live receivers that Django would call, in its order: the asynchronous ones last."""
    wanted = (_identity(None), _identity(sender))
    found = []
    for entry in list(signal.receivers):
        receiver, sender_key, uid = _read_connection(entry)
        if receiver is not None and sender_key in wanted:
            found.append(_describe(receiver, uid, is_async=entry[-1] is True))
    return sorted(found, key=lambda info: info.is_async)


def _describe(receiver: Any, uid: Value, *, is_async: bool) -> ReceiverInfo:
    described = describe_receiver(receiver)
    return ReceiverInfo(described.name, described.defined_at, uid, is_async)


def _read_connection(entry: Any) -> tuple[Any, Any, Value]:
    """Receiver (``None`` if dead or unknown), sender's key and ``dispatch_uid`` of a connection.

    An entry of ``Signal.receivers`` is ``(lookup_key, receiver, is_async)`` in Django 5.2 and
    ``(lookup_key, receiver, sender_ref, is_async)`` from 6.0; the lookup key is
    ``(dispatch_uid or the receiver's id, the sender's id)``, the receiver itself or weak.
    """
    if type(entry) is not tuple or len(entry) < 2 or type(entry[0]) is not tuple:
        return None, None, None
    receiver_key, sender_key = entry[0]
    receiver = entry[1]
    if issubclass(type(receiver), weakref.ReferenceType):
        receiver = receiver()
    is_id = type(receiver_key) is int or (
        type(receiver_key) is tuple and all(type(each) is int for each in receiver_key)
    )
    if is_id and receiver_key == _identity(receiver):
        return receiver, sender_key, None
    return receiver, sender_key, name_of_uid(receiver_key)


def name_of_uid(uid: Any) -> Value:
    return render(_uids.value(uid))


def name_of_connected(signal: Any, receiver: Any, sender: Any, uid: Any) -> str:
    """The receiver that a ``connect()`` or ``disconnect()`` call is about.

    ``disconnect()`` may be given a ``dispatch_uid`` alone: then it is the one that goes by it.
    """
    if receiver is None and type(uid) is str:
        for entry in list(signal.receivers):
            connected, sender_key, _ = _read_connection(entry)
            if connected is not None and sender_key == _identity(sender):
                receiver_key = entry[0][0]
                if type(receiver_key) is str and receiver_key == uid:
                    receiver = connected
    return "unknown" if receiver is None else describe_receiver(receiver).name


_uids = Capture(200)
_NOBODY = id(None)


def _identity(live: Any) -> Any:
    """What Django's ``_make_id`` returns, without asking objects for attributes."""
    if type(live) is types.MethodType:
        return (id(live.__self__), id(live.__func__))
    return id(live)


def _info_of(receiver: Any, is_async: bool, connections: list[tuple[Any, Value]]) -> ReceiverInfo:
    """Takes the receiver's connection off the list, so that the next one of the same is next."""
    for candidate in (receiver, behind(receiver)):
        identity = _identity(candidate)
        for index, (connected, uid) in enumerate(connections):
            if _identity(connected) == identity:
                del connections[index]
                return _describe(connected, uid, is_async=is_async)
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
