"""Other people's text becomes fit to print: it commands nobody, and is one line."""

from __future__ import annotations

import re
from unicodedata import category

# What moves the cursor, breaks the line, turns the writing direction or is not seen at all, and
# halves of characters, which no encoding can write. Spaces, and what this Python's Unicode is too
# old to know, are ordinary text.
_OBEYED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# Joiners hold families of emoji and words of Persian or Hindi together; beside ASCII they would
# only hide. Tags are what the flags of England, Scotland and Wales are spelled with.
_ORDINARY = (
    "(?<=[^\x00-\x9f])[\u200c\u200d](?=[^\x00-\x9f])"
    "|(?<=\N{WAVING BLACK FLAG})[\U000e0061-\U000e007a]{5}\N{CANCEL TAG}"
)
_NOT_PLAIN = re.compile(f"({_ORDINARY})|[^ -~]")


def printable(text: str, *, ascii_only: bool = False) -> str:
    """``text`` with all that a terminal would obey, or could not show, as visible escapes.

    So ``\\x1b``, ``\\n``, ``\\u202e``. It is meant for a line: what is to keep its lines is made
    printable line by line. ``ascii_only``: whatever is not ASCII is an escape too.
    """
    if text.isprintable() and (text.isascii() or not ascii_only):
        return text
    return _NOT_PLAIN.sub(_escaped if ascii_only else _shown, text)


def _shown(found: re.Match[str]) -> str:
    is_ordinary = found[1] or category(found[0]) not in _OBEYED
    return found[0] if is_ordinary else _escaped(found)


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
