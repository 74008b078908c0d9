"""The place for showing a trace in a terminal: a header, the tree with its times, what is missing.

What matters is said in words and with a leading "!", so that nothing depends on colour. Whatever
comes from the traced code is shown as it is: markup in it means nothing here, and no control
character of it reaches the terminal.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.text import Text

from signal_tracer.showing.outline import (
    Row,
    count,
    format_duration,
    outline,
    short_path,
)
from signal_tracer.trace import (
    Dispatch,
    Error,
    Location,
    NearMiss,
    ReceiverCall,
    Trace,
    TracebackLine,
    show_value,
)

MIN_WIDTH = 80
MAX_WIDTH = 140  # beyond it, a time is too far from the name it belongs to
WIDE = 130  # from here on, locations and own times have columns of their own
LONGEST_LOCATION = 40  # a longer one goes below the title, also on a wide terminal
LEAST_TEXT = 30  # what a title keeps at any depth: guides give way to it
LEAST_ROOM = 8  # a line is never broken into less
UNHEARD_LINES = 5
GAP = "  "

# A mark named here also puts a "!" in front of its line.
ALARMS = {
    "SWALLOWED": "bold red",
    "RAISED": "bold red",
    "CANCELLED": "bold red",
    "RUNNING": "bold yellow",
    "SLOW": "bold yellow",
    "NOT RUN": "bold yellow",
    "NOT WATCHED": "bold yellow",
}


@dataclass(frozen=True, slots=True)
class _Signs:
    """The characters that are ours; which, depends on what the stream can encode."""

    fork: str
    corner: str
    bar: str
    joint: str
    times: str
    micro: str


UNICODE = _Signs("├─ ", "└─ ", "│  ", " · ", "\N{MULTIPLICATION SIGN}", "µ")
ASCII = _Signs("|- ", "`- ", "|  ", ", ", "x", "u")
BLANK = "   "  # as wide as a guide


@dataclass(slots=True)
class _Line:
    """A title, a detail or a note before it is laid out; one too long breaks between its parts."""

    parts: list[Text]
    joint: str = GAP
    guides: str = ""
    guides_below: str = ""
    depth: int = 0
    alarm: str = ""
    is_title: bool = False
    location: str = ""
    own_time: str = ""
    time: Text = field(default_factory=Text)


def render_trace(trace: Trace) -> RenderableType:
    """``trace`` as it is now, drawn to the width of the console that will print it."""
    # A running trace gives other records at each reading: read it once.
    return _Picture(
        Trace(
            trace.name,
            started_at=trace.started_at,
            request=trace.request,
            slow_after=trace.slow_after,
            ignore_findings=trace.ignore_findings,
            contents=trace.contents,
        )
    )


def report(trace: Trace) -> None:
    """Print ``trace`` to standard error, as that is redirected and set up at this moment."""
    Console(stderr=True).print(render_trace(trace))


@dataclass(frozen=True, slots=True)
class _Picture:
    trace: Trace

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wording = _Wording(self.trace, options)
        page = _Page(options.max_width, wording.title, wording.time, list(wording.tree()))
        yield from page.header(wording.counts(), wording.signs.joint)
        yield from page.tree()
        yield from page.notes([*wording.notes(), *page.hidden_levels()])


class _Wording:
    """What is said about a trace: the words of every line, before any of them has a place."""

    def __init__(self, trace: Trace, options: ConsoleOptions) -> None:
        self.trace = trace
        self.counted = count(trace)
        self.is_ascii = options.ascii_only
        self.is_wide = options.max_width >= WIDE
        self.signs = ASCII if options.ascii_only else UNICODE

    @property
    def title(self) -> str:
        request = self.trace.request
        if request is None:
            return self.clean(self.trace.name) or "trace"
        status = "no response" if request.status is None else str(request.status)
        return self.clean(f"{request.method} {request.path}  {status}")

    @property
    def time(self) -> str:
        return self.duration(self.trace.duration)

    def counts(self) -> list[Text]:
        counted = self.counted
        alarms = {
            "SWALLOWED": counted.swallowed,
            "RAISED": counted.raised,
            "CANCELLED": counted.cancelled,
            "RUNNING": counted.running,
            "SLOW": counted.slow,
            "NOT RUN": counted.not_run,
        }
        return [
            Text(_plural(counted.dispatches, "dispatch", "dispatches")),
            Text(_plural(counted.receiver_calls, "receiver call")),
            *(
                Text(f"{number} {mark.lower()}", ALARMS[mark])
                for mark, number in alarms.items()
                if number
            ),
        ]

    def tree(self) -> Iterator[_Line]:
        """Each row's title and details, with the guides that lead to them."""
        waiting = [(row, "", "") for row in reversed(outline(self.trace))]
        while waiting:
            row, guides, below = waiting.pop()
            inner = below + (self.signs.bar if row.rows else BLANK)
            first, *details = self.lines(row)
            first.guides, first.guides_below, first.depth = guides, inner + BLANK, row.depth
            yield first
            for detail in details:
                detail.guides = detail.guides_below = inner
                detail.depth = row.depth
                yield detail
            # No terminal shows the guides of more levels: kept for all, they would fill the memory.
            below = below[-MAX_WIDTH // len(BLANK) * len(BLANK) :]
            for nested in reversed(row.rows):
                is_last = nested is row.rows[-1]
                waiting.append(
                    (
                        nested,
                        below + (self.signs.corner if is_last else self.signs.fork),
                        below + (BLANK if is_last else self.signs.bar),
                    )
                )

    def lines(self, row: Row) -> Iterator[_Line]:
        """The title of ``row``, then its details."""
        record = row.record
        title = _Line([self.name(row)], is_title=True)
        if isinstance(record, Dispatch):
            title.parts.append(Text(f"sender={self.clean(record.sender)}"))
        if row.marks:
            marks = [Text(mark, ALARMS.get(mark, "cyan")) for mark in row.marks]
            title.parts.append(Text(" ").join(marks))
            title.alarm = next((ALARMS[mark] for mark in row.marks if mark in ALARMS), "")
        if row.kind in ("dispatch", "call"):
            style = ALARMS["SLOW"] if "SLOW" in row.marks else ""
            title.time = Text(self.duration(row.duration), style)

        if isinstance(record, Dispatch):
            details = self.dispatch_details(record, row, title)
        elif isinstance(record, ReceiverCall):
            details = self.call_details(record, row, title)
        elif isinstance(record, NearMiss):
            details = self.near_miss_details(record, title)
        else:
            details = iter(())
        found = list(details)  # they may put a location into the title
        yield title
        yield from found

    def name(self, row: Row) -> Text:
        """The dotted name, the part that people call it by in bold."""
        record = row.record
        method = f".{record.method}" if isinstance(record, Dispatch) else ""
        module, dot, name = self.clean(row.title.removesuffix(method)).rpartition(".")
        text = Text.assemble((module + dot, "dim"), (name, "bold"), method)
        if row.count > 1:
            text.append(f" {self.signs.times} {row.count}", "bold cyan")
        return text

    def dispatch_details(self, dispatch: Dispatch, row: Row, title: _Line) -> Iterator[_Line]:
        kwargs = [
            Text(self.clean(f"{name}={show_value(value)}"), "dim")
            for name, value in dispatch.kwargs.items()
        ]
        if kwargs:
            if row.count > 1:  # the others may have had other values
                kwargs.insert(0, Text(f"first of {row.count}:", "dim"))
            yield _Line(kwargs)
        if dispatch.sent_from:
            place = f"{self.place(dispatch.sent_from)} in {self.clean(dispatch.sent_from.function)}"
            if not self.put_beside(place, title):
                yield _Line([Text(f"sent from {place}", "dim")])
        if dispatch.error and not _is_shown(dispatch.error, dispatch.receiver_calls):
            yield from self.error(dispatch.error)
        if dispatch.unwatched is not None:
            yield _Line(
                [
                    Text(
                        "the signal's own class calls the receivers: "
                        "their times, errors and nesting are not known",
                        "dim",
                    )
                ]
            )

    def call_details(self, call: ReceiverCall, row: Row, title: _Line) -> Iterator[_Line]:
        facts = self.connection(call, title)
        if call.dispatches:  # otherwise its own time is its time
            own_time = self.duration(row.own_time)
            if self.is_wide:
                title.own_time = own_time
            else:
                facts.append(f"own time {own_time}")
        if call.response is not None:
            returned = "the first returned" if row.count > 1 else "returned"
            facts.append(f"{returned} {self.clean(show_value(call.response))}")
        if facts:
            yield _Line([Text(fact, "dim") for fact in facts], self.signs.joint)
        if call.error:
            yield from self.error(call.error, with_place=not _is_shown(call.error, call.dispatches))

    def near_miss_details(self, miss: NearMiss, title: _Line) -> Iterator[_Line]:
        facts = [*self.connection(miss, title), "an earlier receiver raised"]
        yield _Line([Text(fact, "dim") for fact in facts], self.signs.joint)

    def connection(self, record: ReceiverCall | NearMiss, title: _Line) -> list[str]:
        """Where the receiver is defined, unless that stands beside its title, and its uid."""
        facts = []
        if record.defined_at:
            place = self.place(record.defined_at)
            if not self.put_beside(place, title):
                facts.append(place)
        if record.dispatch_uid is not None:
            facts.append(f"dispatch_uid={self.clean(show_value(record.dispatch_uid))}")
        return facts

    def put_beside(self, place: str, title: _Line) -> bool:
        fits = self.is_wide and cell_len(place) <= LONGEST_LOCATION
        if fits:
            title.location = place
        return fits

    def error(self, error: Error, *, with_place: bool = True) -> Iterator[_Line]:
        yield _Line([Text(self.clean(str(error)), "red")])
        if error.traceback and with_place:
            line = _innermost_of_project(error.traceback)
            place = f"at {self.place(line.location)} in {self.clean(line.location.function)}"
            code = self.clean(line.code.strip())
            parts = [f"{place}:", code] if code else [place]
            yield _Line([Text(part, "dim") for part in parts], " ")

    def notes(self) -> Iterator[_Line]:
        """What the tree does not hold, and what to do about it."""
        trace, counted = self.trace, self.counted
        left_out = counted.omitted or counted.excluded or trace.unwatched
        if not counted.dispatches and counted.unheard:
            yield _note(
                "Signals were sent, but no receiver was called for any of them. If one should "
                "have been: is its module imported in AppConfig.ready(), and is it connected to "
                "this signal and this sender?"
            )
        elif not counted.dispatches and not left_out:
            yield _note(
                "No signal was sent. Save a model or send a signal of your own while the trace "
                "runs. For what other threads send, use trace_signals(all_threads=True)."
            )
        yield from self.unheard()
        for each in trace.unwatched:
            yield _note(
                f"{self.clean(f'{each.signal}.{each.method}')} ran receivers "
                f"{_plural(each.count, 'time')}. They are not in this trace: it is a method of "
                "the signal's own class, not one of Django's.",
                is_alarm=True,
            )
        if counted.excluded:
            yield _note(
                f"{_dispatches(counted.excluded)} left out by EXCLUDE_SIGNALS. Change its "
                "patterns in SIGNAL_TRACER to see what they hide."
            )
        if counted.omitted:
            yield _note(
                f"{_dispatches(counted.omitted)} not kept, because the trace was full. Raise "
                "MAX_DISPATCHES in SIGNAL_TRACER to keep more.",
                is_alarm=True,
            )
        if trace.omitted_others:
            yield _note(
                f"{trace.omitted_others:,} more bypasses, callbacks, near misses or connection "
                "changes not kept, because there were too many.",
                is_alarm=True,
            )
        if counted.too_deep:
            yield _note(
                f"{_dispatches(counted.too_deep)} not kept, being nested more than 100 "
                "deep. Does a receiver send the signal that it receives?",
                is_alarm=True,
            )
        if counted.faults:
            yield _note(
                f"The tracer itself failed {_plural(counted.faults, 'time')}: something may be "
                'missing here. Please report what the logger "signal_tracer" says about it.',
                is_alarm=True,
            )

    def unheard(self) -> Iterator[_Line]:
        pairs = sorted(self.trace.unheard, key=lambda each: -each.count)
        label = "unheard:"
        for each in pairs[:UNHEARD_LINES]:
            parts = [
                Text(self.clean(each.signal)),
                Text(f"sender={self.clean(each.sender)}"),
                Text(f"{self.signs.times} {each.count}"),
            ]
            yield _Line(parts, " ", f"{label} ", " " * (len(label) + len(BLANK)))
            label = " " * len(label)
        rest = pairs[UNHEARD_LINES:]
        if rest:
            more = _plural(len(rest), "more (signal, sender) pair")
            dispatches = _plural(sum(each.count for each in rest), "dispatch", "dispatches")
            yield _Line([Text(f"and {more}, {dispatches}")], guides=f"{label} ")

    def place(self, location: Location) -> str:
        return self.clean(f"{short_path(location.file)}:{location.line}")

    def duration(self, seconds: float) -> str:
        return format_duration(seconds).replace("µ", self.signs.micro)

    def clean(self, text: str) -> str:
        """``text`` with all that a terminal would obey, or could not show, escaped."""
        return "".join(
            each
            if each.isprintable() and (each.isascii() or not self.is_ascii)
            else each.encode("unicode_escape").decode("ascii")
            for each in text
        )


class _Page:
    """Where everything goes: the columns, the guides, the breaking of long lines."""

    def __init__(self, max_width: int, title: str, time: str, lines: list[_Line]) -> None:
        self.title = title
        self.time = time
        self.lines = lines
        self.time_width = max(len(each) for each in (time, *(line.time.plain for line in lines)))
        self.location_width = max((cell_len(line.location) for line in lines), default=0)
        self.own_width = self.time_width if any(line.own_time for line in lines) else 0
        self.columns_width = sum(
            len(GAP) + width
            for width in (self.location_width, self.own_width, self.time_width)
            if width
        )
        needed = max((self.needed(line) for line in lines), default=0)
        self.width = min(max_width, MAX_WIDTH, max(MIN_WIDTH, needed))
        room = self.width - len(GAP) - self.columns_width - LEAST_TEXT
        self.most_guides = max(1, room // len(BLANK))
        self.deepest = max((line.depth for line in lines), default=0)

    def needed(self, line: _Line) -> int:
        """The width that shows ``line`` unbroken."""
        parts = sum(len(line.joint) + each.cell_len for each in line.parts) - len(line.joint)
        columns = self.columns(line.location, line.own_time, line.time).cell_len
        return len(GAP) + len(line.guides) + parts + (columns if line.is_title else 0)

    def header(self, counts: list[Text], joint: str) -> Iterator[Text]:
        room = self.width - len(GAP) - self.time_width
        first, *rest = _flowed([Text(self.title, "bold")], "", room, room)
        yield self.beside(first, Text(self.time, "bold"))
        yield from rest
        yield from _flowed(counts, joint, self.width, self.width)

    def tree(self) -> Iterator[Text]:
        if not self.lines:
            return
        yield self.headings()
        for line in self.lines:
            yield from self.laid_out(line)

    def headings(self) -> Text:
        """What the columns hold; a blank line where the times stand alone."""
        if not (self.location_width or self.own_width):
            return Text()
        headings = self.columns("sent from / defined at", "own", Text("time"))
        headings.stylize("dim")
        return self.beside(Text(), headings)

    def notes(self, notes: list[_Line]) -> Iterator[Text]:
        if notes:
            yield Text()
        for note in notes:
            yield from self.laid_out(note)

    def hidden_levels(self) -> Iterator[_Line]:
        if self.deepest > self.most_guides:
            yield _note(
                f"A number such as +{self.deepest - self.most_guides} in front of a line counts "
                "levels of nesting for which this terminal has no room."
            )

    def laid_out(self, line: _Line) -> Iterator[Text]:
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
        columns = self.columns(line.location, line.own_time, line.time) if line.is_title else None
        room = self.width - len(GAP) - (columns.cell_len if columns else 0)
        first, *rest = _flowed(line.parts, line.joint, room - len(start), room - len(start_below))
        gutter = "! " if line.alarm else GAP
        text = Text.assemble((gutter, line.alarm), (start, "dim"), first)
        yield self.beside(text, columns) if columns else text
        for each in rest:
            yield Text.assemble(GAP, (start_below, "dim"), each)

    def columns(self, location: str, own_time: str, time: Text) -> Text:
        columns = Text()
        if location and self.location_width:  # without one, the title may take its room
            columns.append(GAP + set_cell_size(location, self.location_width), "dim")
        if self.own_width:
            columns.append(GAP + own_time.rjust(self.own_width))
        space = " " * (len(GAP) + self.time_width - time.cell_len)
        return columns.append(space).append_text(time)

    def beside(self, text: Text, columns: Text) -> Text:
        """``text`` with ``columns`` at the right edge."""
        space = " " * (self.width - text.cell_len - columns.cell_len)
        line = Text.assemble(text, space, columns)
        line.rstrip()
        return line


def _note(sentence: str, *, is_alarm: bool = False) -> _Line:
    return _Line([Text(sentence)], alarm="bold yellow" if is_alarm else "")


def _plural(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _dispatches(number: int) -> str:
    """The start of a sentence about ``number`` dispatches."""
    return "1 dispatch was" if number == 1 else f"{number} dispatches were"


def _is_shown(error: Error, records: Iterable[ReceiverCall | Dispatch]) -> bool:
    """Whether one of ``records`` shows the same error, which then came from there."""
    return any(
        record.error and (record.error.type, record.error.message) == (error.type, error.message)
        for record in records
    )


def _innermost_of_project(traceback: Sequence[TracebackLine]) -> TracebackLine:
    """The innermost line under the current directory; failing that, one of no installed package."""
    not_installed = [line for line in traceback if "-packages" not in line.location.file]
    of_project = [
        line for line in not_installed if not os.path.isabs(short_path(line.location.file))
    ]
    return (of_project or not_installed or traceback)[-1]


def _flowed(parts: Sequence[Text], joint: str, first: int, rest: int) -> list[Text]:
    """``parts`` in lines of ``first``, then ``rest`` cells, broken between parts where it can."""
    # On a terminal too narrow for the guides, rich breaks what is still too wide.
    first, rest = max(first, LEAST_ROOM), max(rest, LEAST_ROOM)
    lines = [Text()]
    for part in parts:
        room = first if len(lines) == 1 else rest
        if not lines[-1].plain:
            lines[-1:] = _broken(part, room, rest)
        elif lines[-1].cell_len + len(joint) + part.cell_len <= room:
            lines[-1].append(joint, "dim").append_text(part)
        else:
            lines += _broken(part, rest, rest)
    return lines


def _broken(text: Text, first: int, rest: int) -> list[Text]:
    """``text`` as lines, broken at spaces, else behind dots and slashes, else anywhere."""
    plain = text.plain
    cuts: list[int] = []
    start, room = 0, first
    while cell_len(plain[start:]) > room:
        end = start + 1
        while cell_len(plain[start : end + 1]) <= room:
            end += 1
        space = plain.rfind(" ", start, end + 1) + 1
        soft = max(plain.rfind(each, start, end) + 1 for each in "./,")
        # A space far back would leave most of the line empty.
        start = space if space > start + room // 2 else soft if soft > start else end
        cuts.append(start)
        room = rest
    lines = list(text.divide(cuts))
    for line in lines:
        line.rstrip()
    return lines
