"""Prose: a piece of our documentation as HTML.

Its Markdown is the little that docs/findings.md uses: headings, paragraphs, lists, code and
emphasis. A link is text, because its page is not here.
"""

from __future__ import annotations

import re
from html import escape

from django.utils.safestring import SafeString, mark_safe

LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")
CODE = re.compile(r"`([^`]+)`")
STRONG = re.compile(r"\*\*(.+?)\*\*")
EMPHASIS = re.compile(r"\*(.+?)\*")


def prose(markdown: str) -> SafeString:
    """``markdown`` below its heading; all that is not known stands there as it is, escaped."""
    text = re.sub(r"\A#.*\n", "", markdown)
    # What is in a fence may have empty lines, and is taken out before those part paragraphs.
    fenced = re.split(r"^```\w*\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    shown: list[str] = []
    for index, part in enumerate(fenced):
        if index % 2:
            shown.append(f"<pre>{escape(part.rstrip())}</pre>")
        else:
            shown += map(_block, filter(None, map(str.strip, re.split(r"\n\s*\n", part))))
    # Its language is not the page's. Each part is escaped.
    return mark_safe(f'<div lang="en" dir="ltr">{"".join(shown)}</div>')


def _block(block: str) -> str:
    lines = block.split("\n")
    if all(line.startswith("- ") for line in lines):
        return f"<ul>{''.join(f'<li>{_inline(line[2:])}</li>' for line in lines)}</ul>"
    return f"<p>{_inline(block)}</p>"


def _inline(text: str) -> str:
    # Every second part is code, in which a star is a star.
    parts = CODE.split(LINK.sub(r"\1", escape(text, quote=False)))
    return "".join(
        f"<code>{part}</code>" if index % 2 else _emphasized(part)
        for index, part in enumerate(parts)
    )


def _emphasized(text: str) -> str:
    return EMPHASIS.sub(r"<em>\1</em>", STRONG.sub(r"<strong>\1</strong>", text))
