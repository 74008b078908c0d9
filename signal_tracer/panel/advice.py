"""The findings as the panel shows them: translated, and linked to their rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.safestring import SafeString

from signal_tracer.findings import Finding, Level
from signal_tracer.findings.catalogue import CONNECTED_TO_PARENT
from signal_tracer.panel.locations import Locations
from signal_tracer.panel.words import badge, gettext, gettext_noop, in_words
from signal_tracer.showing.facts import TONES_OF_LEVELS

SIGNS: dict[Level, tuple[str, str]] = {
    "error": ("✖", gettext_noop("Error")),
    "warning": ("▲", gettext_noop("Warning")),
    "info": ("●", gettext_noop("Info")),
}


@dataclass(frozen=True, slots=True)
class Advice:
    """A finding in the page's language. ``row`` is the number of its line, if it has one."""

    slug: str
    level: Level
    badge: SafeString
    title: str
    message: str
    why: str
    advice: str
    where: SafeString | None
    row: int | None
    count: int
    fold: str = ""
    """What it is folded away under, with others."""

    @property
    def is_unheard(self) -> bool:
        """Whether it is of a dispatch that has no row, since nobody heard it."""
        return self.slug == CONNECTED_TO_PARENT.slug and self.row is None


def advise(
    finding: Finding, locations: Locations, row: int | None = None, fold: str = ""
) -> Advice:
    kind = finding.kind
    values = {name: in_words(given) for name, given in finding.values.items()}
    sign, word = SIGNS[finding.level]
    return Advice(
        slug=finding.slug,
        level=finding.level,
        badge=badge(TONES_OF_LEVELS[finding.level], sign, gettext(word)),
        title=_translated(kind.title, values),
        message=_translated(kind.message, values),
        why=_translated(kind.why, values),
        advice=_translated(kind.advice, values),
        where=locations.show(finding.location) if finding.location else None,
        row=row,
        count=finding.count,
        fold=fold,
    )


def _translated(template: str, values: Mapping[str, object]) -> str:
    # gettext("") is the catalogue's header.
    return gettext(template) % values if template else ""
