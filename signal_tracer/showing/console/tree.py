"""The lines of the tree: what each row says of itself, laid out in lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.cells import cell_len
from rich.text import Text

from signal_tracer.records import Error
from signal_tracer.showing.console.layout import BLANK, MAX_WIDTH, STYLES, Line, Spelling, alarm_of
from signal_tracer.showing.facts import Arguments, Fact, Handled, Queries, mark_of
from signal_tracer.showing.rows import Row
from signal_tracer.wording import innermost_of_project, location_of, plural

LONGEST_LOCATION = 40  # a longer one goes below the title, also on a wide terminal


class Tree:
    """The words of every row, before it is known where any of them goes."""

    def __init__(self, spelling: Spelling) -> None:
        self.spelling = spelling
        self.clean = spelling.clean
        self.words = spelling.words
        self.duration = spelling.duration
        self.signs = spelling.signs

    def lines(self, rows: Iterable[Row]) -> Iterator[Line]:
        """Each row's title and details, with the guides that lead to them."""
        below_at: list[str] = []  # what leads past a row of that depth to the rows nested in it
        for row in rows:
            guides = below = ""
            if row.above:
                is_last = row is row.above.rows[-1]
                before = below_at[row.depth - 1]
                guides = before + (self.signs.corner if is_last else self.signs.fork)
                below = before + (BLANK if is_last else self.signs.bar)
            inner = below + (self.signs.bar if row.rows else BLANK)
            title, *details = self.of_row(row)
            title.guides, title.guides_below, title.depth = guides, inner + BLANK, row.depth
            yield title
            for detail in details:
                detail.guides = detail.guides_below = inner
                detail.depth = row.depth
                yield detail
            # No terminal shows the guides of more levels: kept for all, they would fill the memory.
            below_at[row.depth :] = [below[-MAX_WIDTH // len(BLANK) * len(BLANK) :]]

    def of_row(self, row: Row) -> Iterator[Line]:
        """The title of ``row``, then its details."""
        title = Line([self.name(row)], is_title=True)
        arguments: list[Line] = []
        numbers = list(self.numbers(row, title))
        columns: list[str] = []
        others: list[str] = []
        blocks: list[Line] = []
        for fact in row.facts:
            if fact.value is None or fact.where == "nowhere":
                continue
            match fact.value:
                case Arguments():
                    arguments.append(self.arguments(fact.value, row.count))
                case Error():
                    blocks += self.error(fact.value, row)
                case Handled():
                    blocks += self.handled(fact.value)
                case Queries():
                    pass  # among the numbers of the row
                case _ if fact.where == "beside":
                    title.parts.append(Text(self.words(fact)))
                case _ if fact.where == "column":
                    columns += self.location(fact, title)
                case _:
                    others.append(self.words(fact))
        if row.marks:
            marks = [Text(mark, STYLES[mark_of(mark).tone]) for mark in row.marks]
            title.parts.append(Text(" ").join(marks))
            title.alarm = alarm_of(row.marks)
        if row.is_timed or row.duration:
            style = STYLES["caution"] if "SLOW" in row.marks else ""
            title.time = Text(self.duration(row.duration), style)
        yield title
        yield from arguments
        why = [] if row.why is None else [self.words(row.why)]
        facts = [*columns, *numbers, *others, *why]
        if facts:
            yield Line([Text(fact, "dim") for fact in facts], self.signs.joint)
        yield from blocks

    def name(self, row: Row) -> Text:
        """The dotted name, the part that people call it by in bold."""
        module, dot, name = self.clean(row.title.name).rpartition(".")
        text = Text(row.title.before).append(module + dot, "dim").append(name, "bold")
        text.append(self.clean(row.title.after))
        if row.count > 1:
            text.append(f" {self.signs.times} {row.count}", "bold cyan")
        return text

    def numbers(self, row: Row, title: Line) -> Iterator[str]:
        """Queries and own time, unless they have columns, and the queries of all it nests."""
        if row.query_count:
            if self.spelling.is_wide:
                title.queries = f"{row.query_count} in {self.duration(row.query_time)}"
            else:
                number = plural(row.query_count, "query", "queries")
                yield f"{number} {self.duration(row.query_time)}"
        if row.omitted_queries:
            yield f"{plural(row.omitted_queries, 'query', 'queries')} not timed"
        if row.kind == "call" and row.query_count_with_nested > row.query_count:
            number = plural(row.query_count_with_nested, "query", "queries")
            yield f"with nested {number} {self.duration(row.query_time_with_nested)}"
        # Without a dispatch in it, its own time is its time.
        if row.kind == "call" and any(each.kind in ("dispatch", "package") for each in row.rows):
            own_time = self.duration(row.own_time)
            if self.spelling.is_wide:
                title.own_time = own_time
            else:
                yield f"own time {own_time}"

    def location(self, fact: Fact, title: Line) -> Iterator[str]:
        """In its column, where there is one and it is short enough for that."""
        location = self.words(fact.value)
        if self.spelling.is_wide and cell_len(location) <= LONGEST_LOCATION:
            title.location = location
        else:
            yield self.words(fact)

    def arguments(self, arguments: Arguments, count: int) -> Line:
        # The others may have had other values.
        first = [f"first of {count}:"] if count > 1 else []
        given = [self.clean(each) for each in arguments.spelled()]
        return Line([Text(part, "dim") for part in (*first, *given)])

    def handled(self, handled: Handled) -> Iterator[Line]:
        """The exceptions that the receiver caught itself, in the words of a person."""
        for exception, times in handled.exceptions.items():
            error = self.clean(str(Error(exception.type, exception.message)))
            again = f" {self.signs.times} {times}" if times > 1 else ""
            yield Line([Text(f"caught itself{again}: {error}", "red")])
            raised_at = self.clean(location_of(exception.raised_at))
            caught_at = self.clean(location_of(exception.caught_at))
            parts = [f"raised at {raised_at},", f"caught at {caught_at}"]
            yield Line([Text(part, "dim") for part in parts], " ")
        if handled.omitted:
            yield Line([Text(f"caught itself: {handled.omitted} more, not kept", "red")])

    def error(self, error: Error, row: Row) -> Iterator[Line]:
        """With the line that raised it, unless a row below shows where it came from."""
        yield Line([Text(self.clean(str(error)), "red")])
        if error.traceback and not any(_shows(error, nested) for nested in row.rows):
            line = innermost_of_project(error.traceback)
            place = f"at {location_of(line.location)} in {line.location.function}"
            code = line.code.strip()
            parts = [f"{place}:", code] if code else [place]
            yield Line([Text(self.clean(part), "dim") for part in parts], " ")


def _shows(error: Error, row: Row) -> bool:
    return any(
        (fact.value.type, fact.value.message) == (error.type, error.message)
        for fact in row.facts
        if isinstance(fact.value, Error)
    )
