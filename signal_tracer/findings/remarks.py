"""A remark is a finding as text: it can leave the process and the run that it was found in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from signal_tracer.findings import catalogue
from signal_tracer.findings.kinds import LEVELS, Finding, Level
from signal_tracer.records import Location, Owner
from signal_tracer.wording import without_addresses

Key: TypeAlias = "tuple[str, tuple[str, ...]]"


@dataclass(frozen=True, slots=True)
class Remark:
    """What is said of a finding. ``seen`` says where else than at its location: in which tests."""

    slug: str
    level: Level
    title: str
    message: str
    why: str
    advice: str
    names: tuple[str, ...]
    location: Location | None
    owner: Owner
    seen: str = ""

    @property
    def key(self) -> Key:
        """What it is known by in every run, however often its code is moved."""
        return key_of(self.slug, self.names)

    @property
    def is_projects(self) -> bool:
        return self.owner.kind == "project"


def remark_of(finding: Finding) -> Remark:
    return Remark(
        finding.slug,
        finding.level,
        finding.title,
        finding.message,
        finding.why,
        finding.advice,
        finding.names,
        finding.location,
        finding.owner,
    )


def key_of(slug: str, names: Iterable[str]) -> Key:
    """Names in any order are the same, and what differs from run to run is no part of them."""
    return slug, tuple(sorted({without_addresses(name) for name in names}))


def in_order(remarks: Iterable[Remark]) -> list[Remark]:
    """The project's first, the worst at the top; the same order however they were gathered."""
    by_topic = {slug: number for number, slug in enumerate(catalogue.slugs())}
    return sorted(
        remarks,
        key=lambda each: (
            not each.is_projects,
            LEVELS.index(each.level),
            by_topic.get(each.slug, len(by_topic)),
            each.key,
            each.message,
        ),
    )
