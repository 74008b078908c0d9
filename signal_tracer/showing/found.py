"""Found: which findings a text spells out, and which it only counts."""

from __future__ import annotations

from collections import Counter

from signal_tracer.findings import Finding, Found
from signal_tracer.phrases import Count


def spelled_out(found: Found) -> list[Finding]:
    """The project's, and what a package lost in this very trace: the worst of each first."""
    return found.of_project + [each for each in found.of_packages if each.level == "error"]


def in_packages(found: Found) -> str:
    """``14 in installed packages: easy_thumbnails 9, haystack 5``: those that are not spelled out.

    Empty if there is none.
    """
    counted = Counter(each.owner.name for each in found.of_packages if each.level != "error")
    if not counted:
        return ""
    number = Count(
        counted.total(),
        "%(number)s in an installed package",
        "%(number)s in installed packages",
    )
    names = sorted(counted.items(), key=lambda each: (-each[1], each[0]))
    return f"{number}: {', '.join(f'{name} {times}' for name, times in names)}"
