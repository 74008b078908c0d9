"""Differences between two requests as the panel shows them: translated, safe to see."""

from __future__ import annotations

from typing import Any

from django.utils.safestring import SafeString

from signal_tracer.difference import Changed, Difference
from signal_tracer.panel.locations import Locations
from signal_tracer.panel.words import (
    added,
    badge,
    counted,
    duration,
    gettext,
    gettext_noop,
    in_words,
)
from signal_tracer.showing.facts import Tone

# So many lines are on a page of them.
MAX_LINES = 100
SIGNS = {
    "+": ("+", gettext_noop("Added")),
    "-": ("\N{MINUS SIGN}", gettext_noop("Lost")),
    "~": ("≠", gettext_noop("Changed")),
}
# What stands below another line is set off by text: a policy may forbid styles.
STEP = "\N{EM SPACE}\N{EM SPACE}"
DEEPEST = 12  # of more levels there is the number


def differences_context(
    difference: Difference, locations: Locations, parts: str, asked: str, start: int
) -> dict[str, Any] | None:
    """What the template needs to show the changes from ``start`` on, the project's first.

    ``asked``: what was asked for to get them, so that the rest can be. ``None`` if there are none.
    """
    own = difference.of_project().changes
    packages = [each for each in difference.changes if each.fold.package]
    every = [*own, *packages]
    if start and start >= len(every):
        return None
    end = start + MAX_LINES
    is_own = min(len(own), end) - start
    shown = [_line(each, locations) for each in every[start:end]]
    return {
        "is_empty": not difference,
        "took": gettext("%(now)s instead of %(before)s")
        % {
            "now": duration(difference.after.duration),
            "before": duration(difference.before.duration),
        },
        "totals": gettext(", ").join(added(each) for each in difference.totals),
        "lines": shown[: max(is_own, 0)],
        "of_packages": shown[max(is_own, 0) :],
        "in_packages": counted(
            "%(number)s in installed packages", "%(number)s in installed packages", len(packages)
        ),
        "notes": [in_words(each) for each in difference.notes],
        "more": f"{asked}&from={end}",
        "left": max(0, len(every) - end),
        "parts": parts,
    }


def _line(changed: Changed, locations: Locations) -> dict[str, Any]:
    location = changed.fold.location
    return {
        "badge": sign(changed.sign, _tone(changed)),
        "indent": STEP * min(changed.depth, DEEPEST),
        "hidden": max(0, changed.depth - DEEPEST),
        "title": in_words(changed.title),
        "details": [in_words(each) for each in changed.details],
        "where": locations.show(location) if location else "",
    }


def sign(which: str, tone: Tone = "plain") -> SafeString:
    mark, word = SIGNS[which]
    return badge(tone, mark, gettext(word))


def _tone(changed: Changed) -> Tone:
    after = changed.after
    if after is not None and after.failures and not {"added", "outcome"}.isdisjoint(changed.kinds):
        return "trouble"
    return "caution" if "slower" in changed.kinds else "plain"
