"""The wing that says what is worth a person's attention: the catalogue, and the rules over it.

A rule reads plain data (a trace, a signal map) and yields findings; it never looks at Django.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from signal_tracer.findings import absences, costs, failures, over_map, repeats
from signal_tracer.findings.catalogue import slugs
from signal_tracer.findings.kinds import LEVELS, Finding, Kind, Level
from signal_tracer.findings.source import Sources
from signal_tracer.findings.walk import Walk
from signal_tracer.records import Recorded
from signal_tracer.signal_map import SignalMap

__all__ = ["Finding", "Found", "Kind", "Level", "over_signal_map", "over_trace", "sift", "slugs"]


# In the order in which findings of one level are shown.
RULES_OVER_A_TRACE: tuple[Callable[[Walk], Iterator[Finding]], ...] = (
    failures.swallowed_exceptions,
    failures.handled_exceptions,
    failures.lost_on_rollback,
    absences.bulk_bypasses,
    absences.near_misses,
    repeats.called_twice,
    repeats.repeated_saves,
    costs.slow_receivers,
    costs.queries_in_loops,
    repeats.recursions,
    repeats.deep_nesting,
    absences.late_connections,
    costs.writes_in_receivers,
    costs.async_bridges,
)


@dataclass(frozen=True, slots=True)
class Found:
    """What the rules found: ``shown`` with the worst first, and what ``IGNORE_FINDINGS`` hides."""

    shown: list[Finding]
    hidden: list[Finding]


def over_trace(trace: Recorded) -> Found:
    """What is worth attention in ``trace``, as it is now."""
    walk = Walk(trace.contents, trace.slow_after)
    found = (finding for rule in RULES_OVER_A_TRACE for finding in rule(walk))
    return sift(found, trace.ignore_findings)


def over_signal_map(
    signal_map: SignalMap, ignored: Iterable[str] = (), *, at_least: Level = "info"
) -> Found:
    """What is worth attention in ``signal_map``, from the level ``at_least`` up.

    Rules of level "info" read source files, and so take their time.
    """
    sources = Sources(signal_map)
    wanted = LEVELS[: LEVELS.index(at_least) + 1]
    found = (
        finding
        for level, rule in over_map.RULES
        if level in wanted
        for finding in rule(signal_map, sources)
    )
    return sift(found, ignored)


def sift(findings: Iterable[Finding], ignored: Iterable[str]) -> Found:
    """Put the worst first, and apart what is ignored: by slug, or by ``"slug:dotted.name"``."""
    patterns = tuple(ignored)
    shown: list[Finding] = []
    hidden: list[Finding] = []
    for finding in findings:
        (hidden if _is_ignored(finding, patterns) else shown).append(finding)
    shown.sort(
        key=lambda finding: LEVELS.index(finding.level)
    )  # stable: by rule, then as it happened
    return Found(shown, hidden)


def _is_ignored(finding: Finding, patterns: tuple[str, ...]) -> bool:
    for pattern in patterns:
        slug, _, name = pattern.partition(":")
        if slug == finding.slug and (not name or any(fnmatchcase(n, name) for n in finding.names)):
            return True
    return False
