"""The wing that says what is worth a person's attention: the catalogue, and the rules over it.

A rule reads plain data (a trace, a signal map) and yields findings; it never looks at Django.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from signal_tracer.findings.catalogue import LEVELS, Finding, Kind, Level
from signal_tracer.trace import Trace

__all__ = ["Finding", "Found", "Kind", "Level", "over_trace", "sift"]


@dataclass(frozen=True, slots=True)
class Found:
    """What the rules found: ``shown`` with the worst first, and what ``IGNORE_FINDINGS`` hides."""

    shown: list[Finding]
    hidden: list[Finding]


def over_trace(trace: Trace) -> Found:
    """What is worth attention in ``trace``."""
    return sift([], trace.ignore_findings)


def sift(findings: Iterable[Finding], ignored: Iterable[str]) -> Found:
    """Put the worst first, and apart what is ignored: by slug, or by ``"slug:dotted.name"``."""
    patterns = tuple(ignored)
    shown: list[Finding] = []
    hidden: list[Finding] = []
    for finding in findings:
        (hidden if _is_ignored(finding, patterns) else shown).append(finding)
    shown.sort(key=lambda finding: LEVELS.index(finding.level))  # stable: as they happened
    return Found(shown, hidden)


def _is_ignored(finding: Finding, patterns: tuple[str, ...]) -> bool:
    for pattern in patterns:
        slug, _, name = pattern.partition(":")
        if slug == finding.slug and (not name or any(fnmatchcase(n, name) for n in finding.names)):
            return True
    return False
