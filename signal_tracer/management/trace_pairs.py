"""Pairs of traces for ``signal_traces diff``: by name, one of each file, or the last two alike."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from django.core.management.base import CommandError

from signal_tracer.trace_lines import SUFFIX, Kept
from signal_tracer.wording import plural

DIFF = "diff"
# What a shell is told, as by diff: alike, different, and (as CommandError's) could not be said.
DIFFERENT, TROUBLE = 1, 2
USAGE = (
    "Give two traces (diff A B, each by the beginning of its ID or by the number of its line), "
    "two files, or neither for the last two that are alike."
)


def names_and_paths(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Which of the words name traces, and which files and folders.

    Raises ``CommandError`` for another number of names than none or two.
    """
    paths = [each for each in words if _is_path(each)]
    names = [each for each in words if each not in paths]
    if "-" in words:
        raise CommandError("Standard input (-) cannot be read twice: keep it in a file.")
    if len(names) not in (0, 2):
        raise CommandError(f"diff was given {plural(len(names), 'name')} of traces. {USAGE}")
    return names, paths


def _is_path(word: str) -> bool:
    return os.path.exists(word) or SUFFIX in word or os.sep in word or word.endswith(".gz")


def is_number(name: str) -> bool:
    return re.fullmatch(r"\d{1,7}", name) is not None


def goes_by(kept: Kept, name: str) -> bool:
    """Whether the name is the number of its line, or how its ID begins."""
    if is_number(name):
        return kept.number == int(name)
    return kept.summary.id.startswith(name.lower())


def named(found: Iterable[Kept], names: Sequence[str], where: str) -> list[Kept]:
    """The traces that go by the names, in their order. Raises ``CommandError``."""
    by_name: dict[str, dict[str, Kept]] = {name: {} for name in names}
    for kept in found:
        for name, those in by_name.items():
            if goes_by(kept, name) and len(those) < 3:
                those[kept.summary.id or f"line {kept.number}"] = kept
    for name, those in by_name.items():
        if not those:
            raise CommandError(
                f"No trace in {where} goes by {name!r}, neither by the beginning of its ID nor by "
                "the number of its line. Without diff they are listed."
            )
        if len(those) > 1:
            raise CommandError(
                f"More than one ID begins with {name!r}: {', '.join(those)}. Give more of it."
            )
    return [next(iter(by_name[name].values())) for name in names]


def last(found: Iterable[Kept], where: str) -> Kept:
    """Raises ``CommandError`` if there is none."""
    one = deque(found, 1)
    if not one:
        raise CommandError(f"No trace in {where} to compare.")
    return one[0]


def last_two(read: Callable[[], Iterable[Kept]], where: str, *, any_path: bool) -> list[Kept]:
    """The last trace and the one before it of the same method and path; of another kind than a
    request, of the same name. ``any_path``: paths were picked, which need not be the same.

    Reads twice, and keeps two lines at most. Raises ``CommandError`` if there are not two.
    """
    newest = last(read(), where)

    def alike(kept: Kept) -> tuple[str | None, str | None]:
        summary = kept.summary
        if summary.path is None:
            return None, summary.name
        return summary.method, None if any_path else summary.path

    wanted = alike(newest)
    two = deque((kept for kept in read() if alike(kept) == wanted), 2)
    if len(two) < 2:
        raise CommandError(
            f"Only one trace of {newest.summary.what} in {where}, which leaves nothing to compare "
            f"it with. Trace it once more. {USAGE}"
        )
    return [*two]
