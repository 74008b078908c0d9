"""What texts and numbers look like in the panel: safe to see, in its language."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Literal

from django.utils.formats import get_format
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language_bidi

from signal_tracer.panel.language import counted, gettext, gettext_noop
from signal_tracer.records import Value, show_value
from signal_tracer.wording import format_duration, printable

NOTHING = SafeString("")
# Nobody reads on, and a browser would lay all of it out. The download has the whole.
MAX_CHARACTERS = 4_000

# What a reader must not miss, by shape and word, so that nobody needs to tell the colours apart.
MARKS = {
    "RAISED": ("✖", gettext_noop("RAISED")),
    "SWALLOWED": ("◐", gettext_noop("SWALLOWED")),
    "CANCELLED": ("⊘", gettext_noop("CANCELLED")),
    "ROLLED BACK": ("↺", gettext_noop("ROLLED BACK")),
    "BYPASS": ("⤼", gettext_noop("BYPASS")),
    "DISCARDED": ("↺", gettext_noop("DISCARDED")),
    "NOT RUN": ("○", gettext_noop("NOT RUN")),
    "SKIPPED": ("○", gettext_noop("SKIPPED")),
    "NEAR MISS": ("≈", gettext_noop("NEAR MISS")),
    "MUTED": ("○", gettext_noop("MUTED")),
    "HANDLED": ("◑", gettext_noop("HANDLED")),
    "SLOW": ("▲", gettext_noop("SLOW")),
    "RUNNING": ("…", gettext_noop("RUNNING")),
    "WAITING": ("…", gettext_noop("WAITING")),
    "NOT WATCHED": ("?", gettext_noop("NOT WATCHED")),
    "ASYNC": ("⇉", gettext_noop("ASYNC")),
}
Tone = Literal["trouble", "caution", "plain"]
# For where the script, which brings a style sheet, may not load. The toolbar's own sets these.
TONES: dict[Tone, str] = {
    "trouble": "color:#fff;backgroundColor:#b3261e",
    "caution": "color:#000;backgroundColor:#ffd166",
    "plain": "border:1px solid currentColor",
}
# Something is lost or wrong; these rows are also drawn in another colour.
TROUBLE = frozenset({"RAISED", "SWALLOWED", "CANCELLED", "ROLLED BACK", "DISCARDED", "NOT RUN"})
# Worth a look.
CAUTION = frozenset({"BYPASS", "SKIPPED", "NEAR MISS", "SLOW", "HANDLED"})


def visible(text: str) -> str:
    """``text`` with what a browser would not show, or would obey, as escapes, and not too long.

    A mark that turns the writing direction, for one, makes a name read as another.
    """
    if len(text) > MAX_CHARACTERS:
        left_out = len(text) - MAX_CHARACTERS
        rest = counted(
            "and %(number)s more character: see the downloaded trace",
            "and %(number)s more characters: see the downloaded trace",
            left_out,
        )
        return f"{visible(text[:MAX_CHARACTERS])}… {rest}"
    return "\n".join(map(printable, text.split("\n")))


def value(given: Value) -> str:
    """A captured value as a person reads it."""
    return visible(show_value(given))


def text(given: str) -> SafeString:
    """``given`` made visible and escaped: for HTML that is put together by hand."""
    return mark_safe(escape(visible(given)))


def code(given: str) -> SafeString:
    """A name or value, which keeps its own writing direction on a page of another."""
    return mark_safe(f"<bdi>{text(given)}</bdi>")


def isolated(given: str) -> str:
    """``given`` so that its parts keep their order in a text that runs from right to left."""
    return (
        f"\N{LEFT-TO-RIGHT ISOLATE}{given}\N{POP DIRECTIONAL ISOLATE}"
        if get_language_bidi()
        else given
    )


def aside(given: str) -> str:
    """``given`` so that it reads in the page's direction where the toolbar's own is another."""
    return (
        f"\N{RIGHT-TO-LEFT ISOLATE}{given}\N{POP DIRECTIONAL ISOLATE}"
        if get_language_bidi()
        else given
    )


def duration(seconds: float) -> str:
    """``12.3 ms``, with the decimal sign of the page's language."""
    return isolated(format_duration(seconds).replace(".", get_format("DECIMAL_SEPARATOR")))


def mark(word: str) -> SafeString:
    """A mark of a row as a badge: a shape and a word, in a colour where colours are allowed."""
    shape, label = MARKS.get(word, ("•", word))
    tone: Tone = "trouble" if word in TROUBLE else "caution" if word in CAUTION else "plain"
    return badge(tone, shape, gettext(label))


def badge(tone: Tone, shape: str, label: str) -> SafeString:
    return format_html(
        '<strong class="sigtr-mark sigtr-{}" data-djdt-styles="{}">{}&nbsp;{}</strong>',
        tone,
        TONES[tone],
        shape,
        label,
    )


def joined(parts: Iterable[SafeString]) -> SafeString:
    return mark_safe("".join(parts))  # each of them is safe
