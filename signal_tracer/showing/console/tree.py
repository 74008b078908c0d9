"""The lines of the tree: what each dispatch, call and bypass says of itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from rich.cells import cell_len
from rich.text import Text

from signal_tracer.records import (
    Bypass,
    Dispatch,
    Error,
    HandledException,
    Location,
    NearMiss,
    OnCommit,
    ReceiverCall,
    Skipped,
    show_value,
)
from signal_tracer.showing.console.page import BLANK, MAX_WIDTH, Line, Spelling
from signal_tracer.showing.outline import Row, outline
from signal_tracer.trace import Trace
from signal_tracer.wording import arguments_of, innermost_of_project, listed, plural, rows_of

LONGEST_LOCATION = 40  # a longer one goes below the title, also on a wide terminal

# A mark named here also puts a "!" in front of its line.
ALARMS = {
    "SWALLOWED": "bold red",
    "RAISED": "bold red",
    "CANCELLED": "bold red",
    "ROLLED BACK": "bold red",
    "RUNNING": "bold yellow",
    "HANDLED": "bold yellow",
    "SLOW": "bold yellow",
    "NOT RUN": "bold yellow",
    "NOT WATCHED": "bold yellow",
    "NEAR MISS": "bold yellow",
    "BYPASS": "bold yellow",
    "SKIPPED": "bold yellow",
}

CALLBACKS = {
    "waiting": "its transaction was still open",
    "ran": "ran after the commit",
    "raised": "raised after the commit",
    "discarded": "its transaction was rolled back",
}


class Tree:
    """The words of every row, before any of them has a place on the page."""

    def __init__(self, trace: Trace, spelling: Spelling) -> None:
        self.trace = trace
        self.spelling = spelling
        self.clean = spelling.clean
        self.place = spelling.place
        self.duration = spelling.duration
        self.signs = spelling.signs

    def lines(self) -> Iterator[Line]:
        """Each row's title and details, with the guides that lead to them."""
        waiting = [(row, "", "") for row in reversed(outline(self.trace))]
        while waiting:
            row, guides, below = waiting.pop()
            inner = below + (self.signs.bar if row.rows else BLANK)
            first, *details = self.of_row(row)
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

    def of_row(self, row: Row) -> Iterator[Line]:
        """The title of ``row``, then its details."""
        record = row.record
        title = Line([self.name(row)], is_title=True)
        if isinstance(record, Dispatch):
            title.parts.append(Text(f"sender={self.clean(record.sender)}"))
        elif isinstance(record, Bypass):
            rows = rows_of(each for each in row.records if isinstance(each, Bypass))
            title.parts += [Text(rows)] if rows else []
        if row.marks:
            marks = [Text(mark, ALARMS.get(mark, "cyan")) for mark in row.marks]
            title.parts.append(Text(" ").join(marks))
            title.alarm = next((ALARMS[mark] for mark in row.marks if mark in ALARMS), "")
        if row.kind in ("dispatch", "call", "bypass") or row.duration:
            style = ALARMS["SLOW"] if "SLOW" in row.marks else ""
            title.time = Text(self.duration(row.duration), style)

        match record:
            case Dispatch():
                details = self.dispatch_details(record, row, title)
            case ReceiverCall():
                details = self.call_details(record, row, title)
            case NearMiss():
                details = self.near_miss_details(record, title)
            case Bypass():
                details = self.details(self.origin("called from", record.sent_from, title))
            case Skipped():
                signal = f"waits for {self.clean(record.signal)}"
                details = self.details([*self.connection(record, title), signal])
            case OnCommit():
                details = self.callback_details(record, title)
            case _:
                details = iter(())
        found = list(details)  # they may put a location into the title
        yield title
        yield from found

    def name(self, row: Row) -> Text:
        """The dotted name, the part that people call it by in bold."""
        record = row.record
        method = f".{record.method}" if isinstance(record, Dispatch) else ""
        module, dot, name = self.clean(row.title.removesuffix(method)).rpartition(".")
        text = Text("on_commit ") if isinstance(record, OnCommit) else Text()
        text.append(module + dot, "dim").append(name, "bold").append(method)
        if isinstance(record, Bypass):
            text.append(self.clean(arguments_of(record)))
        if row.count > 1:
            text.append(f" {self.signs.times} {row.count}", "bold cyan")
        return text

    def dispatch_details(self, dispatch: Dispatch, row: Row, title: Line) -> Iterator[Line]:
        kwargs = [
            Text(self.clean(f"{name}={show_value(value)}"), "dim")
            for name, value in dispatch.kwargs.items()
        ]
        if kwargs:
            if row.count > 1:  # the others may have had other values
                kwargs.insert(0, Text(f"first of {row.count}:", "dim"))
            yield Line(kwargs)
        facts = self.origin("sent from", dispatch.sent_from, title)
        if dispatch.on_commit is not None:
            facts.append(f"by the on_commit() callback {self.clean(dispatch.on_commit)}")
        if dispatch.in_atomic:
            facts.append(f"inside atomic(){self.on_alias(*dispatch.in_atomic)}")
        if dispatch.rolled_back and dispatch.rolled_back != dispatch.in_atomic:
            facts.append(f"rolled back{self.on_alias(*dispatch.rolled_back)}")
        yield from self.details(facts)
        if dispatch.error and not _is_shown(dispatch.error, dispatch.receiver_calls):
            yield from self.error(dispatch.error)
        if dispatch.unwatched is not None:
            yield from self.details(
                [
                    (
                        "the signal's own class calls the receivers: "
                        "their times, errors and nesting are not known"
                    )
                ]
            )

    def call_details(self, call: ReceiverCall, row: Row, title: Line) -> Iterator[Line]:
        facts = self.connection(call, title)
        facts += self.queries(row, title)
        if call.dispatches:  # otherwise its own time is its time
            own_time = self.duration(row.own_time)
            if self.spelling.is_wide:
                title.own_time = own_time
            else:
                facts.append(f"own time {own_time}")
        if call.response is not None:
            returned = "the first returned" if row.count > 1 else "returned"
            facts.append(f"{returned} {self.clean(show_value(call.response))}")
        yield from self.details(facts)
        for exception, times in Counter(call.handled).items():
            yield from self.handled(exception, times)
        if call.omitted_handled:
            yield Line([Text(f"caught itself: {call.omitted_handled} more, not kept", "red")])
        if call.error:
            yield from self.error(call.error, with_place=not _is_shown(call.error, call.dispatches))

    def queries(self, row: Row, title: Line) -> Iterator[str]:
        """How many the row's calls ran themselves; then with all they nested, if that is more."""
        if row.query_count:
            if self.spelling.is_wide:
                title.queries = f"{row.query_count} in {self.duration(row.query_time)}"
            else:
                number = plural(row.query_count, "query", "queries")
                yield f"{number} {self.duration(row.query_time)}"
            calls = [record for record in row.records if isinstance(record, ReceiverCall)]
            omitted = sum(call.omitted_queries for call in calls)
            if omitted:
                yield f"{plural(omitted, 'query', 'queries')} not timed"
        if row.query_count_with_nested > row.query_count:
            number = plural(row.query_count_with_nested, "query", "queries")
            yield f"with nested {number} {self.duration(row.query_time_with_nested)}"

    def handled(self, exception: HandledException, times: int) -> Iterator[Line]:
        """An exception that the receiver caught itself, in the words of a person."""
        error = self.clean(str(Error(exception.type, exception.message)))
        again = f" {self.signs.times} {times}" if times > 1 else ""
        yield Line([Text(f"caught itself{again}: {error}", "red")])
        places = [f"raised at {self.place(exception.raised_at)},"]
        places.append(f"caught at {self.place(exception.caught_at)}")
        yield Line([Text(part, "dim") for part in places], " ")

    def near_miss_details(self, miss: NearMiss, title: Line) -> Iterator[Line]:
        facts = self.connection(miss, title)
        # That it was muted, its mark says.
        return self.details(
            facts if miss.reason == "muted" else [*facts, self.spelling.reason(miss)]
        )

    def callback_details(self, callback: OnCommit, title: Line) -> Iterator[Line]:
        facts = []
        if callback.defined_at:
            place = self.place(callback.defined_at)
            if not self.put_beside(place, title):
                facts.append(place)
        on_alias = self.on_alias(callback.alias)
        return self.details([*facts, f"{CALLBACKS[callback.outcome]}{on_alias}"])

    def connection(self, record: ReceiverCall | NearMiss | Skipped, title: Line) -> list[str]:
        """Where the receiver is defined, unless that stands beside its title, and its uid."""
        facts = []
        if record.defined_at:
            place = self.place(record.defined_at)
            if not self.put_beside(place, title):
                facts.append(place)
        if record.dispatch_uid is not None:
            facts.append(f"dispatch_uid={self.clean(show_value(record.dispatch_uid))}")
        return facts

    def origin(self, words: str, location: Location | None, title: Line) -> list[str]:
        """Which line did it, unless that stands beside the title."""
        if location is None:
            return []
        place = f"{self.place(location)} in {self.clean(location.function)}"
        return [] if self.put_beside(place, title) else [f"{words} {place}"]

    def put_beside(self, place: str, title: Line) -> bool:
        fits = self.spelling.is_wide and cell_len(place) <= LONGEST_LOCATION
        if fits:
            title.location = place
        return fits

    def on_alias(self, *aliases: str) -> str:
        """Which databases, unless that goes without saying."""
        return "" if aliases == ("default",) else f" on {self.clean(listed(aliases))}"

    def details(self, facts: Sequence[str]) -> Iterator[Line]:
        if facts:
            yield Line([Text(fact, "dim") for fact in facts], self.signs.joint)

    def error(self, error: Error, *, with_place: bool = True) -> Iterator[Line]:
        yield Line([Text(self.clean(str(error)), "red")])
        if error.traceback and with_place:
            line = innermost_of_project(error.traceback)
            place = f"at {self.place(line.location)} in {self.clean(line.location.function)}"
            code = self.clean(line.code.strip())
            parts = [f"{place}:", code] if code else [place]
            yield Line([Text(part, "dim") for part in parts], " ")


def _is_shown(error: Error, records: Iterable[ReceiverCall | Dispatch]) -> bool:
    """Whether one of ``records`` shows the same error, which then came from there."""
    return any(
        record.error and (record.error.type, record.error.message) == (error.type, error.message)
        for record in records
    )
