"""Receivers that the source connects and the process does not have, once somebody has compared.

A comparison reads source files, which no request may be asked to do. The system checks make one
when ``runserver`` starts, and so does ``signal_map``: traces of such a process know of it.
"""

from __future__ import annotations

from collections.abc import Iterable

from signal_tracer.records import Location, NearMiss

_known: dict[tuple[str, str | None], list[NearMiss]] = {}


def note_absent(absent: Iterable[tuple[str, str | None, str, Location]]) -> None:
    """Remember what was found last: signal, sender (``None`` for any), receiver, and its place."""
    _known.clear()
    for signal, sender, receiver, written_at in absent:
        miss = NearMiss(receiver, "not_connected", written_at, connected_to=sender)
        _known.setdefault((signal, sender), []).append(miss)


def absent_for(signal: str, sender: str) -> list[NearMiss]:
    """Who would have heard the sender, had it been connected as the source has it."""
    if not _known:
        return []
    return [*_known.get((signal, sender), ()), *_known.get((signal, None), ())]
