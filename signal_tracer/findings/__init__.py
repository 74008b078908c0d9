"""The wing that says what is worth a person's attention: the catalogue, and the rules over it.

A rule reads plain data (a trace, a signal map) and yields findings; it never looks at Django.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from signal_tracer.findings import (
    absences,
    commits,
    costs,
    doors,
    failures,
    map_doors,
    missing,
    over_graph,
    over_map,
    raised,
    repeats,
)
from signal_tracer.findings.catalogue import slugs
from signal_tracer.findings.kinds import LEVELS, Finding, Kind, Level
from signal_tracer.findings.source import Sources
from signal_tracer.findings.walk import Walk, is_ignored, slow_from
from signal_tracer.records import Recorded
from signal_tracer.signal_graph import SignalGraph
from signal_tracer.signal_map import SignalMap

__all__ = [
    "Finding",
    "Found",
    "Kind",
    "Level",
    "over_signal_graph",
    "over_signal_map",
    "over_trace",
    "sift",
    "slow_from",
    "slugs",
]


# In the order in which findings of one level are shown.
RULES_OVER_A_TRACE: tuple[Callable[[Walk], Iterator[Finding]], ...] = (
    failures.swallowed_exceptions,
    failures.handled_exceptions,
    failures.refused_sends,
    failures.lost_on_rollback,
    missing.missing_receivers,
    raised.receivers_that_raised,
    commits.work_before_the_commit,
    commits.other_databases,
    commits.callbacks_elsewhere,
    commits.relations_read_too_early,
    commits.fields_left_out,
    absences.bulk_bypasses,
    doors.other_doors,
    absences.near_misses,
    failures.notes_of_failures,
    repeats.called_twice,
    repeats.repeated_saves,
    costs.slow_receivers,
    costs.queries_in_loops,
    doors.lost_fast_deletes,
    doors.once_an_app,
    repeats.recursions,
    repeats.deep_nesting,
    absences.late_connections,
    absences.disconnected_meanwhile,
    commits.callbacks_that_raised,
    commits.callbacks_in_tests,
    costs.writes_in_receivers,
    costs.async_bridges,
)


@dataclass(frozen=True, slots=True)
class Found:
    """What the rules found: ``shown``, and what ``IGNORE_FINDINGS`` hides.

    Those of the project come first, with the worst of them at the top; then those of packages.
    About Django's own code there is none.
    """

    shown: list[Finding]
    hidden: list[Finding]

    @property
    def of_project(self) -> list[Finding]:
        """Those with a line of the project to change: what headlines and exit codes count."""
        return [finding for finding in self.shown if finding.is_projects]

    @property
    def serious(self) -> list[Finding]:
        """The project's errors and warnings."""
        return [finding for finding in self.of_project if finding.level != "info"]

    @property
    def of_packages(self) -> list[Finding]:
        return [finding for finding in self.shown if not finding.is_projects]

    def packages(self) -> list[tuple[str, int]]:
        """How many are of each package, those with the most first."""
        counted = Counter(finding.owner.name for finding in self.of_packages)
        return sorted(counted.items(), key=lambda each: (-each[1], each[0]))


def over_trace(trace: Recorded) -> Found:
    """What is worth attention in ``trace``, as it is now."""
    walk = Walk(
        trace.contents,
        trace.slow_after,
        trace.slow_share,
        trace.ignore_findings,
        is_request=trace.request is not None,
    )
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
        for level, rule in (*over_map.RULES, *map_doors.RULES)
        if level in wanted
        for finding in rule(signal_map, sources)
        if finding.level in wanted  # A package's is of level "info", whatever it says.
    )
    return sift(found, ignored)


def over_signal_graph(
    graph: SignalGraph,
    signal_map: SignalMap,
    ignored: Iterable[str] = (),
    *,
    at_least: Level = "info",
) -> Found:
    """What is worth attention in ``graph``, from the level ``at_least`` up.

    ``signal_map``: of the process, which knows where things are defined.
    """
    around = over_graph.Surroundings(graph, signal_map)
    wanted = LEVELS[: LEVELS.index(at_least) + 1]
    found = (finding for rule in over_graph.RULES for finding in rule(around))
    return sift((each for each in found if each.level in wanted), ignored)


def sift(findings: Iterable[Finding], ignored: Iterable[str]) -> Found:
    """Put the project's first, the worst at the top, and what is ignored apart.

    Ignored is a slug, or ``"slug:dotted.name"``.
    """
    patterns = tuple(ignored)
    shown: list[Finding] = []
    hidden: list[Finding] = []
    for finding in findings:
        if finding.owner.kind != "django":
            is_hidden = is_ignored(finding.kind, finding.names, patterns)
            (hidden if is_hidden else shown).append(finding)
    # Stable: by rule, then as it happened.
    shown.sort(key=lambda finding: (not finding.is_projects, LEVELS.index(finding.level)))
    return Found(shown, hidden)
