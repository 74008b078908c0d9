"""About each slug: what docs/findings.md says of it, which travels with the package."""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from signal_tracer.findings import catalogue
from signal_tracer.findings.catalogue import slugs
from signal_tracer.findings.kinds import Kind

HERE = Path(__file__)
# In a wheel the page lies beside this file (pyproject.toml puts it there); in a checkout, and
# where that is installed editable, it is where people read it.
PAGES = (HERE.with_name("findings.md"), HERE.parents[2] / "docs" / "findings.md")


class UnknownSlugError(ValueError):
    """No finding goes by a slug: the message says which one may be meant."""


def about(slug: str) -> str:
    """What the documentation says of ``slug``, in Markdown, below a heading with the slug.

    Raises ``UnknownSlugError`` for what is no slug.
    """
    if slug not in slugs():
        meant = get_close_matches(slug, slugs(), n=1)
        hint = f"Did you mean {meant[0]!r}?" if meant else f"There are: {', '.join(slugs())}."
        raise UnknownSlugError(f"No finding is called {slug!r}. {hint}")
    return _sections()[slug]


def kinds() -> list[Kind]:
    """One of each slug; those that share one differ in their words only."""
    found: dict[str, Kind] = {}
    for each in vars(catalogue).values():
        if isinstance(each, Kind):
            found.setdefault(each.slug, each)
    return list(found.values())


@cache
def _sections() -> dict[str, str]:
    page = next(each for each in PAGES if each.is_file()).read_text(encoding="utf-8")
    # Up to the next heading, of this level or of a higher one.
    found = re.findall(r"^### (\S+)\n(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL)
    return {slug: f"### {slug}\n{text.rstrip()}\n" for slug, text in found}
