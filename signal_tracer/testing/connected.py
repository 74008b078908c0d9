"""Answers whether a receiver is connected to a signal now."""

from __future__ import annotations

from typing import Any, NamedTuple

from signal_tracer.describing.connections import entries_of, identity, read_entry
from signal_tracer.describing.names import describe_receiver
from signal_tracer.mapping.senders import Senders
from signal_tracer.signal_map import ANY


class Connected(NamedTuple):
    """A live receiver of a signal, by name."""

    receiver: str
    sender: str
    sender_id: Any

    def hears(self, sender: Any) -> bool:
        return self.sender_id in (identity(None), identity(sender))


def connections_of(signal: Any) -> list[Connected]:
    """The live receivers of the signal, in the order in which they are called."""
    senders = Senders()
    return [
        Connected(
            describe_receiver(entry.receiver).name,
            senders.describe(entry)[0] or ANY,
            entry.sender_id,
        )
        for entry in map(read_entry, entries_of(signal))
        if entry.receiver is not None
    ]
