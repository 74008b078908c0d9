"""Where everything goes in a terminal: columns, guides, where long lines break."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len, set_cell_size
from rich.console import ConsoleOptions
from rich.text import Text

from signal_tracer.showing.facts import Tone, mark_of
from signal_tracer.wording import format_duration, printable

MIN_WIDTH = 80
MAX_WIDTH = 140  # beyond it, a time is too far from the name it belongs to
WIDE = 130  # from here on, locations and own times have columns of their own
LEAST_TEXT = 30  # what a title keeps at any depth: guides give way to it
SOFT = re.compile(r"[/,](?!\d)|\.(?!\d|\w+:\d)")  # behind these a word may be broken
LEAST_ROOM = 8  # a line is never broken into less
GAP = "  "


@dataclass(frozen=True, slots=True)
class Signs:
    """The characters that are ours; which, depends on what the stream can encode."""

    fork: str
    corner: str
    bar: str
    joint: str
    times: str
    micro: str
    arrow: str


UNICODE = Signs("├─ ", "└─ ", "│  ", " · ", "\N{MULTIPLICATION SIGN}", "µ", "→ ")
ASCII = Signs("|- ", "`- ", "|  ", ", ", "x", "u", "> ")
BLANK = "   "  # as wide as a guide


STYLES: dict[Tone, str] = {"trouble": "bold red", "caution": "bold yellow", "plain": "cyan"}


def alarm_of(marks: Iterable[str]) -> str:
    """The style of the "!" in front of a line with these marks; empty if it needs none."""
    tones = [mark_of(word).tone for word in marks]
    return next((STYLES[tone] for tone in tones if tone != "plain"), "")


class Spelling:
    """How names and times are written so that a terminal shows them, and obeys none."""

    def __init__(self, options: ConsoleOptions) -> None:
        self.is_ascii = options.ascii_only
        self.is_wide = options.max_width >= WIDE
        self.signs = ASCII if options.ascii_only else UNICODE

    def duration(self, seconds: float) -> str:
        return format_duration(seconds).replace("µ", self.signs.micro)

    def words(self, told: object) -> str:
        """What a fact or a finding says."""
        return self.clean(str(told).replace("µ", self.signs.micro))

    def clean(self, text: str) -> str:
        """``text`` with all that a terminal would obey, or could not show, escaped."""
        return printable(text, ascii_only=self.is_ascii)


@dataclass(slots=True)
class Line:
    """A title, a detail or a note before it is laid out; one too long breaks between its parts."""

    parts: list[Text]
    joint: str = GAP
    guides: str = ""
    guides_below: str = ""
    depth: int = 0
    alarm: str = ""
    is_title: bool = False
    location: str = ""
    queries: str = ""
    own_time: str = ""
    time: Text = field(default_factory=Text)
    columns: Text | None = None  # in place of those that are made of these four


def note(sentence: str, *, is_alarm: bool = False) -> Line:
    return Line([Text(sentence)], alarm="bold yellow" if is_alarm else "")


class Layout:
    """Where everything goes: the columns, the guides, the breaking of long lines."""

    heads = ("sent from / defined at", "queries", "own", "time")

    def __init__(
        self, max_width: int, title: str, time: str, lines: list[Line], table: Sequence[Line] = ()
    ) -> None:
        self.title = title
        self.time = time
        self.lines = lines
        self.time_width = max(len(each) for each in (time, *(line.time.plain for line in lines)))
        self.location_width = max((cell_len(line.location) for line in lines), default=0)
        longest = max((len(line.queries) for line in lines), default=0)
        self.queries_width = max(longest, len(self.heads[1])) if longest else 0
        is_own = any(line.own_time for line in lines)
        self.own_width = max(self.time_width, len(self.heads[2])) if is_own else 0
        self.columns_width = sum(
            len(GAP) + width
            for width in (
                self.location_width,
                self.queries_width,
                self.own_width,
                self.time_width,
            )
            if width
        )
        needed = max(map(self.needed, (*lines, *table)), default=0)
        self.width = min(max_width, MAX_WIDTH, max(MIN_WIDTH, needed))
        room = self.width - len(GAP) - self.columns_width - LEAST_TEXT
        self.most_guides = max(1, room // len(BLANK))
        self.deepest = max((line.depth for line in lines), default=0)

    def needed(self, line: Line) -> int:
        """The width that shows ``line`` unbroken."""
        parts = sum(len(line.joint) + each.cell_len for each in line.parts) - len(line.joint)
        columns = self.columns(line).cell_len
        return len(GAP) + len(line.guides) + parts + (columns if line.is_title else 0)

    def header(self, counts: list[Text], joint: str) -> Iterator[Text]:
        yield from self.one_line([], "")
        yield from flowed(counts, joint, self.width, self.width)

    def one_line(self, counts: list[Text], joint: str) -> Iterator[Text]:
        """The title with its time, and what else there is to say."""
        room = self.width - len(GAP) - self.time_width
        first, *rest = flowed([Text(self.title, "bold"), *counts], joint, room, room)
        yield self.beside(first, Text(self.time, "bold"))
        yield from rest

    def tree(self, *, is_first: bool = True) -> Iterator[Text]:
        if not self.lines:
            return
        headings = self.headings()
        if headings and not is_first:
            yield Text()
        yield headings
        for line in self.lines:
            yield from self.laid_out(line)

    def headings(self) -> Text:
        """What the columns hold; a blank line where the times stand alone."""
        if not (self.location_width or self.queries_width or self.own_width):
            return Text()
        location, queries, own_time, time = self.heads
        line = Line([], location=location, queries=queries, own_time=own_time)
        line.time = Text(time if self.time_width else "")
        headings = self.columns(line)
        headings.stylize("dim")
        return self.beside(Text(), headings)

    def section(self, lines: Iterable[Line]) -> Iterator[Text]:
        """What stands below the tree, set off by a blank line if there is any."""
        for number, line in enumerate(lines):
            if not number:
                yield Text()
            yield from self.laid_out(line)

    def hidden_levels(self) -> Iterator[Line]:
        if self.deepest > self.most_guides:
            yield note(
                f"A number such as +{self.deepest - self.most_guides} in front of a line counts "
                "levels of nesting for which this terminal has no room."
            )

    def laid_out(self, line: Line) -> Iterator[Text]:
        start, start_below = line.guides, line.guides_below
        hidden = line.depth - self.most_guides
        if hidden > 0:
            # A detail has one guide more than its title, what a title goes on with has two.
            more, more_below = (0, 2) if line.is_title else (1, 1)
            mark = f"+{hidden} "
            start_below = start_below[-len(BLANK) * (self.most_guides + more_below) :]
            start_below = start_below.rjust(len(start_below) + len(mark))
            start = start[-len(BLANK) * (self.most_guides + more) :]
            start = (mark if line.is_title else " " * len(mark)) + start
        columns = self.columns(line) if line.is_title else None
        room = self.width - len(GAP) - (columns.cell_len if columns else 0)
        first, *rest = flowed(line.parts, line.joint, room - len(start), room - len(start_below))
        gutter = "! " if line.alarm else GAP
        text = Text.assemble((gutter, line.alarm), (start, "dim"), first)
        yield self.beside(text, columns) if columns else text
        for each in rest:
            yield Text.assemble(GAP, (start_below, "dim"), each)

    def columns(self, line: Line) -> Text:
        if line.columns is not None:
            return line.columns
        columns = Text()
        if line.location and self.location_width:  # without one, the title may take its room
            columns.append(GAP + set_cell_size(line.location, self.location_width), "dim")
        if self.queries_width:
            columns.append(GAP + line.queries.rjust(self.queries_width), "dim")
        if self.own_width:
            columns.append(GAP + line.own_time.rjust(self.own_width))
        space = " " * (len(GAP) + self.time_width - line.time.cell_len)
        return columns.append(space).append_text(line.time)

    def beside(self, text: Text, columns: Text) -> Text:
        """``text`` with ``columns`` at the right edge."""
        line = text.copy()
        if columns.plain:
            line.append(" " * (self.width - text.cell_len - columns.cell_len))
            line.append_text(columns)
        line.rstrip()
        return line


def flowed(parts: Sequence[Text], joint: str, first: int, rest: int) -> list[Text]:
    """``parts`` in lines of ``first``, then ``rest`` cells, broken between parts where it can."""
    # On a terminal too narrow for the guides, rich breaks what is still too wide.
    first, rest = max(first, LEAST_ROOM), max(rest, LEAST_ROOM)
    lines = [Text()]
    for part in parts:
        room = first if len(lines) == 1 else rest
        if not lines[-1].plain:
            lines[-1:] = broken(part, room, rest)
        elif lines[-1].cell_len + len(joint) + part.cell_len <= room:
            lines[-1].append(joint, "dim").append_text(part)
        else:
            lines += broken(part, rest, rest)
    return lines


def broken(text: Text, first: int, rest: int) -> list[Text]:
    """``text`` as lines, broken at spaces, else behind dots and slashes, else anywhere.

    But no number is broken, and no file from what it ends in and the line.
    """
    plain = text.plain
    if cell_len(plain) <= first:
        return [text.copy()]
    behind = [each.end() for each in SOFT.finditer(plain)]
    cuts: list[int] = []
    start, room = 0, first
    while cell_len(plain[start:]) > room:
        end = start + 1
        while cell_len(plain[start : end + 1]) <= room:
            end += 1
        space = plain.rfind(" ", start, end + 1) + 1
        soft = max((each for each in behind if each <= end), default=0)
        # A space far back would leave most of the line empty.
        start = space if space > start + room // 2 else soft if soft > start else end
        cuts.append(start)
        room = rest
    lines = list(text.divide(cuts))
    for line in lines:
        line.rstrip()
    return lines
