"""Going through a trace once, for all the rules that read it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from signal_tracer.records import Bypass, Contents, Dispatch, ReceiverCall

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Step:
    """A dispatch and what it is nested in: a receiver call of the step ``above``, if any."""

    dispatch: Dispatch
    inside: ReceiverCall | None = None
    above: Step | None = None
    depth: int = 1

    def path(self) -> Iterator[Step]:
        """This step, then those above it."""
        step: Step | None = self
        while step:
            yield step
            step = step.above


class Walk:
    """What a trace holds at this moment, in the order of ``Trace.walk()``."""

    def __init__(self, contents: Contents, slow_after: float) -> None:
        self.contents = contents
        self.slow_after = slow_after
        self.steps: list[Step] = []
        self.calls: list[tuple[ReceiverCall, Step]] = []
        waiting = [Step(dispatch) for dispatch in reversed(self.contents.dispatches)]
        while waiting:
            step = waiting.pop()
            self.steps.append(step)
            for call in step.dispatch.receiver_calls:
                self.calls.append((call, step))
            for call in reversed(step.dispatch.receiver_calls):
                for nested in reversed(call.dispatches):
                    waiting.append(Step(nested, call, step, step.depth + 1))

    def bypasses(self) -> list[Bypass]:
        found = [*self.contents.bypasses]
        for call, _ in self.calls:
            found += call.bypasses
        return sorted(found, key=lambda bypass: bypass.started_at)


def grouped(items: Iterable[T], key: Callable[[T], Hashable]) -> list[list[T]]:
    """Items of equal ``key`` together, in the order in which the first of each came."""
    groups: dict[Hashable, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return list(groups.values())


def is_djangos(receiver: str) -> bool:
    """Whether it is one of Django's own, which nobody who reads a finding could change."""
    return receiver.startswith("django.")


def last_name(dotted: str) -> str:
    """``Order`` of ``shop.Order``."""
    return dotted.rpartition(".")[2]
