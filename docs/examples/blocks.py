"""The code blocks of a page, as its tests and ``run.py`` see them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from textwrap import dedent

# A fence with what opens it; the line above it may say why the block does not run.
FENCE = re.compile(r"^( *)(`{3,}|~{3,})(.*)$")
NOT_RUN = re.compile(r"^\s*(?:% not run:|<!-- not run:)\s*(.+?)\s*(?:-->)?$")


@dataclass(frozen=True, slots=True)
class Block:
    """``line``: how many lines stand above its code. ``reason``: why it does not run, if so."""

    language: str
    source: str
    line: int
    reason: str = ""

    @property
    def is_made(self) -> bool:
        """Whether a directive makes what is shown."""
        return self.language.startswith("{")


def blocks_of(text: str) -> list[Block]:
    """Every fenced block of a page in Markdown; a ``code-block`` is one of its language."""
    found: list[Block] = []
    lines = text.splitlines()
    opened: tuple[str, str, int, str] | None = None
    for number, line in enumerate(lines):
        fence = FENCE.match(line)
        if opened is None:
            if fence:
                above = NOT_RUN.match(lines[number - 1]) if number else None
                language = fence[3].strip().removeprefix("{code-block}").strip()
                opened = (fence[2], language, number + 1, above[1] if above else "")
            continue
        marks, language, start, reason = opened
        if fence and not fence[3].strip() and fence[2].startswith(marks):
            source = dedent("\n".join(lines[start:number]) + "\n")
            found.append(Block(language, source, start, reason))
            opened = None
    return found
