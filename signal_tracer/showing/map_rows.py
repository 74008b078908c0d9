"""Turning a signal map into groups, and for counting who ran in a trace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from signal_tracer.records import Recorded
from signal_tracer.showing.facts import every_dispatch
from signal_tracer.signal_map import Connection, MappedSignal, SignalMap
from signal_tracer.wording import plural

NO_APP = "(unknown)"


@dataclass(frozen=True, slots=True)
class Group:
    """The receivers of one app (``signals`` hold only those of its connections)."""

    app: str
    is_project: bool
    signals: tuple[MappedSignal, ...]

    @property
    def count(self) -> int:
        return sum(len(signal.connections) for signal in self.signals)


def group_by_app(signal_map: SignalMap) -> list[Group]:
    """The connections by the app of their receiver: the project's own apps first, by label."""
    found: dict[tuple[bool, str], list[MappedSignal]] = {}
    for signal in signal_map.signals:
        by_app: dict[tuple[bool, str], list[Connection]] = {}
        for connection in signal.connections:
            key = (not connection.is_project, connection.app or NO_APP)
            by_app.setdefault(key, []).append(connection)
        for key, connections in by_app.items():
            found.setdefault(key, []).append(replace(signal, connections=tuple(connections)))
    return [
        Group(app, not is_foreign, tuple(signals))
        for (is_foreign, app), signals in sorted(found.items(), key=lambda each: each[0])
    ]


def unheard(signal_map: SignalMap) -> list[MappedSignal]:
    """The signals that nobody listens to."""
    return [signal for signal in signal_map.signals if not signal.connections]


def count_calls(signal_map: SignalMap, trace: Recorded) -> Counter[tuple[str, int]]:
    """How often each connection ran in ``trace``, by its signal's name and its position."""
    candidates: dict[object, list[Connection]] = {}
    for signal, connection in signal_map.walk():
        key = (signal.name, connection.receiver, connection.defined_at, connection.dispatch_uid)
        candidates.setdefault(key, []).append(connection)
    counts: Counter[tuple[str, int]] = Counter()
    for name, sender, receiver in _calls(trace):
        connections = candidates.get((name, *receiver), [])
        # One receiver may be connected to several senders.
        ran = next((each for each in connections if each.sender in (None, sender)), None)
        if ran is not None or connections:
            counts[name, (ran or connections[0]).position] += 1
    return counts


def _calls(trace: Recorded) -> Iterator[tuple[str, str, tuple[object, ...]]]:
    for dispatch in every_dispatch(trace.contents.dispatches):
        for call in dispatch.receiver_calls:
            about = (call.receiver, call.defined_at, call.dispatch_uid)
            yield dispatch.signal, dispatch.sender, about


def notes(connection: Connection) -> Iterator[str]:
    """What is worth saying of a connection beside its names: marks, and the ``dispatch_uid``."""
    yield from connection.marks()
    if connection.connected_by not in (None, connection.app):
        yield f"connected by {connection.connected_by}"
    uid = connection.dispatch_uid
    if uid is not None:
        # One that is no string is made of ids as often as not, and tells a person nothing.
        yield f"uid {uid}" if isinstance(uid, str) else "uid that is no string"


def summary(signal_map: SignalMap) -> str:
    """One line that counts what the map holds."""
    heard = [signal for signal in signal_map.signals if signal.connections]
    total = sum(len(signal.connections) for signal in heard)
    parts = [f"{plural(total, 'receiver')} of {plural(len(heard), 'signal')}"]
    nobody = len(signal_map.signals) - len(heard)
    if nobody:
        parts.append(f"{plural(nobody, 'signal')} nobody listens to")
    if signal_map.omitted:
        parts.append(
            f"{plural(signal_map.omitted, 'receiver')} left out, because there are too many"
        )
    if not signal_map.is_complete:
        parts.append("signals that no module holds were not looked for")
    return ", ".join(parts)
