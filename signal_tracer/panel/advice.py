"""The place for the findings as the panel shows them: translated, and linked to their rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.safestring import SafeString

from signal_tracer.findings import Finding, Level
from signal_tracer.panel.language import gettext, gettext_noop
from signal_tracer.panel.places import Places
from signal_tracer.panel.words import Tone, badge, visible

LEVELS: dict[Level, tuple[Tone, str, str]] = {
    "error": ("trouble", "✖", gettext_noop("Error")),
    "warning": ("caution", "▲", gettext_noop("Warning")),
    "info": ("plain", "●", gettext_noop("Info")),
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
    docs: str

    @property
    def is_for_information(self) -> bool:
        return self.level == "info"


def advise(finding: Finding, places: Places, row: int | None) -> Advice:
    kind = finding.kind
    values = {
        name: visible(given) if isinstance(given, str) else given
        for name, given in finding.values.items()
    }
    tone, shape, word = LEVELS[finding.level]
    return Advice(
        slug=finding.slug,
        level=finding.level,
        badge=badge(tone, shape, gettext(word)),
        title=_translated(kind.title, values),
        message=_translated(kind.message, values),
        why=_translated(kind.why, values),
        advice=_translated(kind.advice, values),
        where=places.show(finding.location) if finding.location else None,
        row=row,
        count=finding.count,
        docs=finding.docs,
    )


def _translated(template: str, values: Mapping[str, object]) -> str:
    # gettext("") is the catalogue's header.
    return gettext(template) % values if template else ""
