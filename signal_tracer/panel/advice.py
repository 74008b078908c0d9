"""The findings as the panel shows them: translated, and linked to their rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.safestring import SafeString

from signal_tracer.findings import Finding, Level
from signal_tracer.findings.catalogue import CONNECTED_TO_PARENT
from signal_tracer.panel.language import counted, gettext, gettext_noop
from signal_tracer.panel.places import Places
from signal_tracer.panel.words import Tone, badge, duration, isolated, visible
from signal_tracer.phrases import At, Count, Names, Phrase, Seconds, Sql, Words
from signal_tracer.wording import place_of

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
    def is_unheard(self) -> bool:
        """Whether it is of a dispatch that has no row, since nobody heard it."""
        return self.slug == CONNECTED_TO_PARENT.slug and self.row is None

    @property
    def is_for_information(self) -> bool:
        return self.level == "info"


def advise(finding: Finding, places: Places, row: int | None) -> Advice:
    kind = finding.kind
    values = {name: _in_words(given) for name, given in finding.values.items()}
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


def _in_words(given: Words | None) -> str | int | None:
    match given:
        case str():
            return isolated(visible(given))
        case Phrase(words):
            return gettext(words)
        case Seconds(seconds):
            return duration(seconds)
        case Count(number, one, many, is_at_least):
            amount = counted(one, many, number)
            return gettext("at least %(amount)s") % {"amount": amount} if is_at_least else amount
        case At(location):
            return (
                isolated(visible(place_of(location)))
                if location
                else gettext("a line not recorded")
            )
        case Names(names):
            return _listed([str(_in_words(name)) for name in names])
        case Sql(sql, more):
            rest = counted("; and %(number)s more like it", "; and %(number)s more like it", more)
            return isolated(visible(sql)) + (rest if more else "")
    return given


def _listed(names: list[str]) -> str:
    *most, last = dict.fromkeys(names)
    if not most:
        return last
    names_but_last = gettext(", ").join(most)
    return gettext("%(names)s and %(last)s") % {"names": names_but_last, "last": last}


def _translated(template: str, values: Mapping[str, object]) -> str:
    # gettext("") is the catalogue's header.
    return gettext(template) % values if template else ""
