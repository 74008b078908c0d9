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
# Of how many it is told that their IDs begin alike.
_MOST_IDS = 5
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


class Named:
    """What goes by a name: the line of that number, or else those whose ID begins so.

    An empty name is that of the last.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._line: Kept | None = None
        self._by_id: dict[str, Kept] = {}

    def look_at(self, kept: Kept) -> None:
        if not self.name or (is_number(self.name) and kept.number == int(self.name)):
            self._line = kept
        trace_id = kept.summary.id
        is_known = trace_id in self._by_id
        if trace_id.startswith(self.name.lower()) and (is_known or len(self._by_id) < _MOST_IDS):
            self._by_id[trace_id] = kept

    def found(self) -> Kept | None:
        """The last one. Raises ``CommandError`` for more than one ID."""
        if self._line is None and len(self._by_id) > 1:
            raise CommandError(
                f"More than one ID begins with {self.name!r}: {', '.join(self._by_id)}. Give more "
                "of it."
            )
        return self._line or next(reversed(self._by_id.values()), None)


def named(found: Iterable[Kept], names: Sequence[str], where: str) -> list[Kept]:
    """The traces that go by the names, in their order. Raises ``CommandError``."""
    asked_for = [Named(name) for name in names]
    for kept in found:
        for each in asked_for:
            each.look_at(kept)
    traces = []
    for each in asked_for:
        trace = each.found()
        if trace is None:
            raise CommandError(
                f"No trace in {where} goes by {each.name!r}, neither by the beginning of its ID "
                "nor by the number of its line. Without diff they are listed."
            )
        traces.append(trace)
    return traces


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
