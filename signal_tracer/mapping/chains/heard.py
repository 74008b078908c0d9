"""Who hears a signal of a sender, or nearly: by the connections that there are."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

from signal_tracer.describing.names import class_name, signal_name
from signal_tracer.mapping.chains.roots import Root
from signal_tracer.mapping.chains.seen import Watched
from signal_tracer.mapping.explaining import LookUp
from signal_tracer.mapping.senders import classes_by_id
from signal_tracer.records import DJANGO, Owner
from signal_tracer.signal_graph import steady_name, steady_sender
from signal_tracer.signal_map import Connection, Prospect


class Heard:
    """The connections of this process, each signal and sender looked at once."""

    def __init__(self, watched: Watched, models: dict[str, Any]) -> None:
        self.look = LookUp()
        self.signals = {signal_name(each): each for each in self.look.signals}
        self.models = models
        self._watched = watched
        self._prospects: dict[tuple[str, str], list[Prospect]] = {}

    def prospects(self, name: str, sender: str) -> list[Prospect]:
        """The connections that this sender would reach, or nearly."""
        key = name, sender
        if key not in self._prospects:
            self._prospects[key] = [*self._find_prospects(Root("signal", name, sender))]
        return self._prospects[key]

    def _find_prospects(self, root: Root) -> Iterator[Prospect]:
        signal = self.signals.get(root.name)
        mapped = self.look.mapped.get(root.name)
        if signal is None or mapped is None:
            return
        found, sender = self.live_sender(root)
        if found:
            prospects = self.look.prospects(signal, sender)
        else:
            prospects = tuple(
                Prospect(each, None if each.sender in (None, root.sender) else "connected_to_other")
                for each in mapped.connections
                if each.state == "alive"
            )
        for prospect in prospects:
            each = prospect
            if prospect.obstacle is not None and self._was_seen(prospect.connection, root):
                each = Prospect(prospect.connection, None)
            if each.obstacle in ("connected_to_other", "sender_gone"):
                continue
            if each.obstacle in ("dead", "waiting"):
                connected = (each.connection.sender or root.sender).strip("'").casefold()
                if connected != root.sender.casefold():
                    continue
            yield each

    def is_heard(self, name: str, sender: str) -> bool:
        return any(each.obstacle is None for each in self.prospects(name, sender))

    def is_heard_or_seen(self, signal: str, sender: str) -> bool:
        if self.prospects(signal, sender):
            return True
        return bool(self._watched.calls_of(signal, sender))

    def live_sender(self, root: Root) -> tuple[bool, Any]:
        """Whether the sender is there, and the sender."""
        name = root.sender
        if name in ("None", ""):
            return True, None
        if name in self.models:
            return True, self.models[name]
        return name in self._classes, self._classes.get(name)

    @cached_property
    def _classes(self) -> dict[str, type]:
        return {class_name(each): each for each in classes_by_id().values()}

    def connected_alike(self, signal: str, sender: str) -> Iterator[str]:
        """Receivers that are connected to what counts as this sender in a graph."""
        mapped = self.look.mapped.get(signal)
        for each in () if mapped is None else mapped.connections:
            is_other = each.state == "alive" and each.sender not in (None, sender)
            if is_other and steady_sender(each.sender or "") == steady_sender(sender):
                yield steady_name(each.receiver)

    def _was_seen(self, connection: Connection, root: Root) -> bool:
        """Whether it was called for a sender that is connected by itself, as an instance is."""
        return (
            connection.state == "alive"
            and connection.sender not in (None, root.sender)
            and steady_sender(connection.sender or "") == root.sender
            and self._watched.call(root.name, root.sender, connection.receiver) is not None
        )

    def owner_of(self, signal: str) -> Owner:
        mapped = self.look.mapped.get(signal)
        if signal.startswith("django."):
            return DJANGO
        if mapped is None or mapped.is_project:
            return Owner("project")
        return Owner("package", mapped.app or signal.partition(".")[0])
