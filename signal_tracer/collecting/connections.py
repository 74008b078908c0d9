"""The place that reads ``Signal.receivers``: who is connected, under which ``dispatch_uid``."""

from __future__ import annotations

import types
from typing import Any

from signal_tracer.collecting.entries import Entry, identity, read_entry
from signal_tracer.collecting.naming import IdentityCache, describe_receiver
from signal_tracer.collecting.recording import Infos, ReceiverInfo
from signal_tracer.trace import Summary


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


def _connections_for(signal: Any, sender: Any) -> list[Entry]:
    """The connections of live receivers that Django would call, in order."""
    wanted = (identity(None), identity(sender))
    return [
        entry
        for entry in map(read_entry, list(signal.receivers))
        if entry.receiver is not None and entry.sender_id in wanted
    ]


def _info_of(receiver: Any, is_async: bool, connections: list[Entry]) -> ReceiverInfo:
    """Takes the receiver's connection off the list, so that the next one of the same is next."""
    for candidate in (receiver, behind(receiver)):
        wanted = identity(candidate)
        for index, entry in enumerate(connections):
            if identity(entry.receiver) == wanted:
                del connections[index]
                described = describe_receiver(entry.receiver)
                info = ReceiverInfo(
                    described.name, described.defined_at, entry.dispatch_uid, is_async
                )
                info.hears_any_sender = entry.sender_id == identity(None)
                return info
    described = describe_receiver(receiver)
    return ReceiverInfo(described.name, described.defined_at, Summary("unknown"), is_async)


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
