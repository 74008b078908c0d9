"""Translating what the panel says.

Every text has a context of its own, so that our catalogues change no word of the site that we
are installed in. docs/make_messages.py collects the texts.
"""

from __future__ import annotations

from functools import partial

from django.utils.translation import npgettext, pgettext, pgettext_lazy

CONTEXT = "signal_tracer"


def gettext(text: str) -> str:
    return pgettext(CONTEXT, text)


gettext_lazy = partial(pgettext_lazy, CONTEXT)


def gettext_noop(text: str) -> str:
    """``text`` as it is, to be translated where it is shown."""
    return text


def counted(singular: str, plural: str, number: int) -> str:
    """``3 queries``: both are templates with ``%(number)s``."""
    return npgettext(CONTEXT, singular, plural, number) % {"number": number}
