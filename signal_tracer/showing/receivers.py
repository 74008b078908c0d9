"""Receivers: one line for each, whatever dispatches it ran in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from signal_tracer.records import Location, ReceiverCall


@dataclass(slots=True)
class Receiver:
    """All calls of one receiver, added up; times are seconds."""

    name: str
    defined_at: Location | None
    calls: int = 0
    total: float = 0.0
    own: float = 0.0
    longest: float = 0.0
    queries: int = 0
    swallowed: int = 0

    def add(self, other: Receiver) -> None:
        """Have it stand for the calls of another one as well."""
        self.calls += other.calls
        self.total += other.total
        self.own += other.own
        self.longest = max(self.longest, other.longest)
        self.queries += other.queries
        self.swallowed += other.swallowed

    @property
    def average(self) -> float:
        return self.total / self.calls


def add_up(calls: Iterable[ReceiverCall]) -> list[Receiver]:
    """By name and place: the same function defined twice is two receivers."""
    found: dict[tuple[str, Location | None], Receiver] = {}
    for call in calls:
        key = call.receiver, call.defined_at
        receiver = found.get(key) or found.setdefault(key, Receiver(*key))
        receiver.calls += 1
        receiver.total += call.duration
        receiver.own += call.own_time
        receiver.longest = max(receiver.longest, call.duration)
        receiver.queries += call.query_count
        receiver.swallowed += call.outcome == "swallowed"
    return list(found.values())


def ranked(
    receivers: Iterable[Receiver], value: Callable[[Receiver], float] = lambda each: each.own
) -> list[Receiver]:
    """The greatest first, by own time unless another value is asked for; equals from A to Z."""
    return sorted(receivers, key=lambda each: (-value(each), each.name))
