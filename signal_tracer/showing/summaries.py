"""Summary of a trace: what a list and a log say of it, as plain data that JSON holds."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Protocol

from signal_tracer.findings import Finding, over_trace
from signal_tracer.findings.kinds import Level
from signal_tracer.phrases import Count as Counted
from signal_tracer.plain import JSON
from signal_tracer.records import Count, Recorded, Seconds
from signal_tracer.showing.facts import count, every_dispatch, tallies


class Writable(Recorded, Protocol):
    """What writing a ``Trace`` down needs of it, which stands on this."""

    id: str

    def frozen(self) -> Writable: ...

    def to_dict(self) -> JSON: ...


@dataclass(frozen=True, slots=True)
class FoundKind:
    """How many findings of one kind a trace has, of the project or of one package."""

    slug: str
    level: Level
    count: Count
    package: str = ""
    """Empty for the project."""


@dataclass(frozen=True, slots=True)
class TraceSummary:
    """What is known of a trace before it is read.

    ``duration``: seconds. ``method``, ``path`` and ``status``: of its request; ``state``: how its
    task ended, in its worker's words. ``counts``: by the names of ``Counts``, those that are not
    0. ``findings``: the worst first, the project's before those of packages. ``signals``,
    ``senders`` and ``receivers``: of its dispatches and receiver calls, each name once.
    """

    name: str
    id: str
    started_at: datetime
    duration: Seconds
    method: str | None = None
    path: str | None = None
    status: int | None = None
    state: str | None = None
    counts: dict[str, Count] = field(default_factory=dict)
    findings: tuple[FoundKind, ...] = ()
    signals: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()
    receivers: tuple[str, ...] = ()

    @property
    def what(self) -> str:
        """What was traced: ``POST /checkout/``, or the name of what is no request."""
        return self.name if self.path is None else f"{self.method} {self.path}"

    @property
    def outcome(self) -> str:
        """``200``, ``FAILURE``; empty where there is none."""
        return self.state or ("" if self.status is None else str(self.status))

    @property
    def of_project(self) -> list[FoundKind]:
        return [each for each in self.findings if not each.package]

    def tallies(self) -> list[Counted]:
        """``6 dispatches``, ``9 receiver calls``, ``1 swallowed``: those that there are."""
        return [each.count for each in tallies(self.counts) if each.count.number]

    def worst(self, times: str = "×") -> str:
        """``error swallowed-exception``, ``warning near-miss × 2, 3 more``: the worst of the
        project's findings, and how many there are besides; empty without any."""
        if not self.of_project:
            return ""
        first, *others = self.of_project
        times = f" {times} {first.count}" if first.count > 1 else ""
        more = sum(each.count for each in others)
        return f"{first.level} {first.slug}{times}{f', {more} more' * bool(more)}"


def summary_of(trace: Writable) -> TraceSummary:
    """The summary of a trace that has ended."""
    request, task = trace.request, trace.task
    dispatches = every_dispatch(trace.contents.dispatches)
    calls = [call for dispatch in dispatches for call in dispatch.receiver_calls]
    unwatched = [name for dispatch in dispatches for name in dispatch.unwatched or ()]
    return TraceSummary(
        name=trace.name,
        id=trace.id,
        started_at=trace.started_at,
        duration=trace.contents.duration,
        method=None if request is None else request.method,
        path=None if request is None else request.path,
        status=None if request is None else request.status,
        state=None if task is None else task.state,
        counts={name: number for name, number in asdict(count(trace)).items() if number},
        findings=_kinds(over_trace(trace).shown),
        signals=tuple(dict.fromkeys(dispatch.signal for dispatch in dispatches)),
        senders=tuple(dict.fromkeys(dispatch.sender for dispatch in dispatches)),
        receivers=tuple(dict.fromkeys([*(call.receiver for call in calls), *unwatched])),
    )


def _kinds(findings: list[Finding]) -> tuple[FoundKind, ...]:
    counted: Counter[Any] = Counter(
        (each.slug, each.level, "" if each.is_projects else each.owner.name) for each in findings
    )
    return tuple(
        FoundKind(slug, level, number, package)
        for (slug, level, package), number in counted.items()
    )


def in_one_line(summary: TraceSummary) -> str:
    """``POST /checkout/ 200: 6 dispatches, 9 receiver calls; error swallowed-exception``."""
    told = ", ".join(map(str, summary.tallies())) or "no receiver ran"
    what = " ".join(each for each in (summary.what or "trace", summary.outcome) if each)
    return f"{what}: {told}{f'; {summary.worst()}' * bool(summary.findings)}".rstrip("; ")
