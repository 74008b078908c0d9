"""List of traces in a terminal: one row each, drawn from their summaries as they come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from itertools import groupby

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from signal_tracer.showing.console.layout import (
    GAP,
    LEAST_ROOM,
    STYLES,
    WIDE,
    Spelling,
    broken,
)
from signal_tracer.showing.facts import TONES_OF_LEVELS
from signal_tracer.showing.summaries import TraceSummary

MOST = 160  # beyond it, a time is too far from the name it belongs to
BOUNDLESS = 500  # nobody sees the end of such a line: a program reads it, and wants whole names
SHORT_ID = 8
LONGEST_WORST = 44
FIGURES = ("dispatches", "receiver_calls", "queries")


class TraceRows:
    """Rows of one table, drawn in as many parts as somebody likes.

    The first has the headings, and the day stands above where it changes. On a page too narrow
    for the worst finding beside the figures it stands below the name.
    """

    def __init__(self) -> None:
        self._is_begun = False
        self._day: date | None = None

    def of(self, traces: Sequence[tuple[str, TraceSummary]]) -> RenderableType:
        """``traces``: each with what it goes by, in the order of time."""
        parts = []
        for day, of_day in groupby(traces, lambda each: _moment(each[1]).date()):
            heading = "" if day == self._day else f"{day:%a %d %b %Y}"
            parts.append(_Part(list(of_day), heading, with_names=not self._is_begun))
            self._day, self._is_begun = day, True
        return _Parts(parts)


class _Parts:
    def __init__(self, parts: list[_Part]) -> None:
        self.parts = parts

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from self.parts


class _Part:
    """The traces of one day, below it if it was not said yet, and below the names of columns."""

    def __init__(
        self, traces: list[tuple[str, TraceSummary]], day: str, *, with_names: bool
    ) -> None:
        self.traces = traces
        self.day = day
        self.with_names = with_names

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        page = _Page(options)
        if self.with_names:
            yield page.table(with_names=True)
        if self.day:
            yield Text(self.day, "dim")
        table = page.table()
        for goes_by, summary in self.traces:
            table.add_row(*page.cells(goes_by, summary))
        yield table


class _Page:
    """What depends on the width, and on what the stream can encode."""

    def __init__(self, options: ConsoleOptions) -> None:
        self.spelling = Spelling(options)
        self.is_wide = options.max_width >= WIDE
        # Nothing longer would leave room for the names on a page of 80 columns.
        self.figures = ("dispatches" if self.is_wide else "sent", "calls", "queries")
        fixed = [len("00:00:00"), SHORT_ID, *map(len, self.figures), len("12.3 ms")]
        gaps = len(GAP) * (len(fixed) + self.is_wide)
        room = max(min(options.max_width, MOST) - sum(fixed) - gaps, LEAST_ROOM)
        self.worst_room = min(room * 2 // 5, LONGEST_WORST) if self.is_wide else room
        self.what_room = room - self.worst_room if self.is_wide else room
        if options.max_width >= BOUNDLESS:
            self.what_room = self.worst_room = BOUNDLESS

    def table(self, *, with_names: bool = False) -> Table:
        table = Table(
            box=None,
            pad_edge=False,
            padding=(0, len(GAP), 0, 0),
            header_style="dim",
            show_header=with_names,
        )
        is_boundless = self.what_room == BOUNDLESS
        table.add_column("when", width=len("00:00:00"))
        table.add_column("id", width=SHORT_ID)
        table.add_column("what", width=None if is_boundless else self.what_room, min_width=60)
        for name in self.figures:
            table.add_column(name, width=len(name), justify="right")
        table.add_column("time", width=len("12.3 ms"), justify="right")
        if self.is_wide:
            table.add_column("worst finding", width=None if is_boundless else self.worst_room)
        return table

    def cells(self, goes_by: str, summary: TraceSummary) -> list[Text]:
        spelling = self.spelling
        what = Text(spelling.clean(summary.what) or "trace")
        if summary.outcome:
            what.append(f"  {spelling.clean(summary.outcome)}", _style_of(summary))
        whats = broken(what, self.what_room, self.what_room)
        worst = broken(self._worst(summary), self.worst_room, self.worst_room)
        if worst[0] and not self.is_wide:
            whats += worst
        figures = [summary.counts.get(name, 0) for name in FIGURES]
        return [
            Text(f"{_moment(summary):%H:%M:%S}"),
            Text(spelling.clean(goes_by[:SHORT_ID]), "cyan"),
            _joined(whats),
            *(Text(str(number), "" if number else "dim") for number in figures),
            Text(spelling.duration(summary.duration)),
            *([_joined(worst)] if self.is_wide else []),
        ]

    def _worst(self, summary: TraceSummary) -> Text:
        """With a "!" in front of what is more than good to know."""
        if not summary.of_project:
            return Text()
        level = summary.of_project[0].level
        words = self.spelling.words(summary.worst(self.spelling.signs.times))
        return Text(f"{'' if level == 'info' else '! '}{words}", STYLES[TONES_OF_LEVELS[level]])


def _joined(lines: Sequence[Text]) -> Text:
    return Text("\n").join(lines)


def _moment(summary: TraceSummary) -> datetime:
    """In the time zone of the process, which Django sets to that of the project."""
    try:
        return summary.started_at.astimezone()
    except (OverflowError, ValueError):  # It is not there at the ends of the calendar.
        return summary.started_at


def _style_of(summary: TraceSummary) -> str:
    status = summary.status or 0
    return STYLES["trouble"] if status >= 500 else STYLES["caution"] if status >= 400 else "dim"
