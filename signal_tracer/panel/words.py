"""Words and numbers as the panel shows them: safe to see, in its language.

Every text of ours has a context of its own, so that our catalogues change no word of the site that
we are installed in. docs/make_messages.py collects the texts.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from html import escape

from django.utils.formats import get_format
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language_bidi, npgettext, pgettext, pgettext_lazy

from signal_tracer.phrases import At, Count, Names, Phrase, Seconds, Sentence, Sql
from signal_tracer.records import Value, show_value
from signal_tracer.showing.facts import Told, Tone, mark_of
from signal_tracer.wording import format_duration, location_of, printable

CONTEXT = "signal_tracer"

NOTHING = SafeString("")
# Nobody reads on, and a browser would lay all of it out. The download has the whole.
MAX_CHARACTERS = 4_000

# For where the script, which brings a style sheet, may not load. The toolbar's own sets these.
TONES: dict[Tone, str] = {
    "trouble": "color:#fff;backgroundColor:#b3261e",
    "caution": "color:#000;backgroundColor:#ffd166",
    "plain": "border:1px solid currentColor",
}


def gettext(text: str) -> str:
    return pgettext(CONTEXT, text)


gettext_lazy = partial(pgettext_lazy, CONTEXT)


def gettext_noop(text: str) -> str:
    """``text`` as it is, to be translated where it is shown."""
    return text


def counted(singular: str, plural: str, number: int) -> str:
    """``3 queries``: both are templates with ``%(number)s``."""
    return npgettext(CONTEXT, singular, plural, number) % {"number": number}


def added(more: Count) -> str:
    """``+3 queries``, ``-1 query``."""
    template = npgettext(CONTEXT, more.one, more.many, abs(more.number))
    return template % {"number": isolated(f"{more.number:+}")}


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


def dotted(given: str) -> SafeString:
    """The same of a dotted name, which breaks at its dots where it has to."""
    return mark_safe(f"<bdi>{text(given).replace('.', '.<wbr>')}</bdi>")


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


def in_words(given: Told | None) -> str | int | None:
    """What a finding, fact or notice fills in or says, in the page's language."""
    match given:
        case str():
            return isolated(visible(given))
        case Phrase(words):
            return gettext(words)
        case Sentence(words, values):
            return gettext(words) % {name: in_words(value) for name, value in values.items()}
        case Seconds(seconds):
            return duration(seconds)
        case Count(number, one, many, is_at_least):
            amount = counted(one, many, number)
            return gettext("at least %(amount)s") % {"amount": amount} if is_at_least else amount
        case At(location):
            return (
                isolated(visible(location_of(location)))
                if location
                else gettext("a line not recorded")
            )
        case Names(names):
            return _listed([str(in_words(name)) for name in names])
        case Sql(sql, more):
            rest = counted("; and %(number)s more like it", "; and %(number)s more like it", more)
            return isolated(visible(sql)) + (rest if more else "")
        case int() | None:
            return given
    return isolated(visible(str(given)))


def _listed(names: list[str]) -> str:
    *most, last = dict.fromkeys(names)
    if not most:
        return last
    names_but_last = gettext(", ").join(most)
    return gettext("%(names)s and %(last)s") % {"names": names_but_last, "last": last}


def mark(word: str) -> SafeString:
    """A mark of a row as a badge: a sign and a word, in a colour where colours are allowed."""
    shown = mark_of(word)
    return badge(shown.tone, shown.sign, gettext(shown.word))


def badge(tone: Tone, sign: str, label: str) -> SafeString:
    return format_html(
        '<strong class="sigtr-mark sigtr-{}" data-djdt-styles="{}">{}&nbsp;{}</strong>',
        tone,
        TONES[tone],
        sign,
        label,
    )


def joined(parts: Iterable[SafeString]) -> SafeString:
    return mark_safe("".join(parts))  # each of them is safe
