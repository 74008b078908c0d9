"""The place that reads ``Signal.receivers``: who is connected, under which ``dispatch_uid``."""

from __future__ import annotations

import types
import weakref
from typing import Any

from signal_tracer.collecting.capture import Capture, render
from signal_tracer.collecting.naming import IdentityCache, describe_receiver
from signal_tracer.collecting.recording import Infos, ReceiverInfo
from signal_tracer.trace import Summary, Value


class _KnownInfos:
    """The receiver infos of one signal by sender, until its connections change."""

    __slots__ = ("by_sender", "list_id", "size")

    def __init__(self, signal: Any) -> None:
        # Tests put a list of their own in the place of Django's, without connecting.
        self.list_id = id(signal.receivers)
        self.size = len(signal.receivers)
        self.by_sender: dict[int, Infos] = {}


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
        _known_infos.forget(signal)
        known = _known_infos(signal)
    infos = known.by_sender.get(id(sender))
    if (
        infos is None
        or not is_ordered
        or len(infos[0]) != len(synchronous)
        or len(infos[1]) != len(asynchronous)
    ):
        connections = _connections_for(signal, sender)
        infos = (
            [_info_of(receiver, False, connections) for receiver in synchronous],
            [_info_of(receiver, True, connections) for receiver in asynchronous],
        )
        known.by_sender[id(sender)] = infos
    return infos


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
    return receiver, sender_key, render(_uids.value(receiver_key))


_uids = Capture(200)


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
