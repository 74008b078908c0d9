"""The numbered lines of a timeline: the rows of the outline, and where they hang."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from signal_tracer.records import Dispatch
from signal_tracer.showing.outline import Row
from signal_tracer.trace import Trace

# Deeper rows are indented, and folded, like one of this depth, so that a recursion does not push
# all else out of sight.
MAX_INDENT = 12


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the outline: its number, the lines that fold it away, the dispatch around it."""

    number: int
    row: Row
    above: tuple[int, ...]
    dispatch: Dispatch | None

    @property
    def kinds(self) -> tuple[str, ...]:
        """What a selection may ask for: its kind, its marks, and whether it ran queries."""
        marks = tuple(mark.lower().replace(" ", "_") for mark in self.row.marks)
        return (self.row.kind, *marks, *(("queries",) if self.row.query_count else ()))


def number(rows: Iterable[Row]) -> list[Line]:
    """Every row as a line, each before those nested in it."""
    lines: list[Line] = []
    waiting: list[tuple[Row, tuple[int, ...], Dispatch | None]] = [
        (row, (), None) for row in reversed(tuple(rows))
    ]
    while waiting:
        row, above, dispatch = waiting.pop()
        here = len(lines)
        lines.append(Line(here, row, above, dispatch))
        below = (*above, here) if len(above) < MAX_INDENT else above
        inner = row.record if isinstance(row.record, Dispatch) else dispatch
        waiting += [(nested, below, inner) for nested in reversed(row.rows)]
    return lines


def select(lines: Iterable[Line], kind: str) -> list[Line]:
    """The lines of one kind, such as ``"swallowed"`` or ``"dispatch"``."""
    return [line for line in lines if kind in line.kinds]


def seconds_in_receivers(trace: Trace) -> float:
    """Seconds in which any receiver ran; async ones may run at the same time."""
    total = until = 0.0
    calls = [call for dispatch in trace.dispatches for call in dispatch.receiver_calls]
    for call in sorted(calls, key=lambda each: each.started_at):
        end = call.started_at + call.duration
        total += max(0.0, end - max(until, call.started_at))
        until = max(until, end)
    return total
