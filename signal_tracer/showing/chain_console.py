"""Showing a chain in a terminal: a tree, as that of a trace, and what its marks mean."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from signal_tracer.chain import Chain, ChainStep, Seen
from signal_tracer.showing.chain_words import (
    StepMark,
    beside,
    counts_of,
    facts_of,
    is_never_seen,
    legend,
    marks_of,
    shown_below,
    title_of,
)
from signal_tracer.showing.console.layout import (
    BLANK,
    STYLES,
    Layout,
    Line,
    Spelling,
    alarm_of,
    note,
)
from signal_tracer.wording import location_of, plural

LONGEST_LOCATION = 40  # a longer one goes below the title, also on a wide terminal
_QUIET = ("NEVER SEEN", "MAY", "ASYNC")
_LOUD = {"DEAD": "trouble", "UNKNOWN": "caution", "CYCLE": "caution"}


@dataclass(frozen=True, slots=True)
class ChainTree:
    """The chain as a tree, drawn to the width of the console that will print it.

    ``hints``: last lines.
    """

    chain: Chain
    hints: tuple[str, ...] = ()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from _Picture(self.chain, Spelling(options)).drawn(options.max_width, self.hints)


class _Picture:
    def __init__(self, chain: Chain, spelling: Spelling) -> None:
        self.chain = chain
        self.spelling = spelling

    def drawn(self, width: int, hints: tuple[str, ...]) -> Iterator[Text]:
        title = self.spelling.clean(f"What {self.chain.start} sets off")
        lines = [*self.trees()]
        layout = _Columns(width, title, "", lines)
        counts = [Text(each) for each in counts_of(self.chain)]
        yield from layout.header(counts, self.spelling.signs.joint)
        yield from layout.tree()
        below = [note(each) for each in legend(self.chain)]
        yield from layout.section([*below, *layout.hidden_levels()])
        for each in hints:
            yield from layout.section([note(each)])

    def trees(self) -> Iterator[Line]:
        """A tree for each thing that it begins with, set off from the others."""
        for number, step in enumerate(self.chain.steps):
            if number and (step.steps or self.chain.steps[number - 1].steps):
                yield Line([Text()])
            yield from self.lines(step, _Around())

    def lines(
        self, step: ChainStep, around: _Around, guides: str = "", below: str = "", depth: int = 0
    ) -> Iterator[Line]:
        signs = self.spelling.signs
        nested = shown_below(step, is_first=not depth)
        inner = below + (signs.bar if nested else BLANK)
        title, *details = self.of_step(step, around)
        title.guides, title.guides_below, title.depth = guides, inner + BLANK, depth
        yield title
        for detail in details:
            detail.guides = detail.guides_below = inner
            detail.depth = depth
            yield detail
        inside = around.inside(step, self.chain)
        for each in nested:
            is_last = each is nested[-1]
            lead = below + (signs.corner if is_last else signs.fork)
            lead_below = below + (BLANK if is_last else signs.bar)
            yield from self.lines(each, inside, lead, lead_below, depth + 1)

    def of_step(self, step: ChainStep, around: _Around) -> Iterator[Line]:
        """Its title with its columns; below it what else is known."""
        spelling = self.spelling
        line = Line([self.name(step)], is_title=True)
        line.parts += [
            Text(spelling.clean(each), "dim") for each in beside(step, is_first=around.is_first)
        ]
        marks = [*marks_of(step, self.chain, is_below_unseen=around.is_unseen)]
        if marks:
            line.parts.append(Text(" ").join(Text(f"{each}", _style(each)) for each in marks))
            line.alarm = next((_style(each) for each in marks if each.word not in _QUIET), "")
        facts = [*facts_of(step, file=around.file, example=around.example, calls=around.calls)]
        if step.location is not None:
            place = spelling.clean(location_of(step.location))
            if spelling.is_wide and len(place) <= LONGEST_LOCATION:
                line.location = place
            else:
                facts.insert(0, place)
        if step.seen is not None:
            self.numbers(step.seen, line, facts)
        yield line
        if facts:
            dots = "..." if spelling.is_ascii else "…"
            told = [Text(spelling.words(fact.replace("…", dots)), "dim") for fact in facts]
            yield Line(told, spelling.signs.joint)

    def name(self, step: ChainStep) -> Text:
        """The dotted name, the part that people call it by in bold."""
        title = title_of(step)
        owner, dot, name = self.spelling.clean(title.name).rpartition(".")
        if name.endswith("()"):  # Of a method also what it belongs to.
            owner, dot, last = owner.rpartition(".")
            name = f"{last}.{name}"
        text = Text(title.before).append(owner + dot, "dim").append(name, "bold")
        return text.append(self.spelling.clean(title.after))

    def numbers(self, seen: Seen, line: Line, facts: list[str]) -> None:
        line.queries = f"{seen.count:,}" if seen.count else ""
        if seen.queries and self.spelling.is_wide:
            line.own_time = f"{seen.queries:,}"
        elif seen.queries:
            facts.append(plural(seen.queries, "query", "queries"))
        if seen.duration is not None:
            line.time = Text(self.spelling.duration(seen.duration))


@dataclass(frozen=True, slots=True)
class _Around:
    """What is said already by the lines that a step stands in."""

    file: str = ""
    example: str = ""
    calls: int = 0
    is_unseen: bool = False
    is_first: bool = True

    def inside(self, step: ChainStep, chain: Chain) -> _Around:
        seen = step.seen
        return _Around(
            step.location.file if step.location is not None else self.file,
            seen.example if seen is not None and seen.example else self.example,
            0 if seen is None else max(seen.count, seen.of),
            is_never_seen(step, chain),
            is_first=False,
        )


def _style(mark: StepMark) -> str:
    if mark.word in _QUIET:
        return STYLES["plain"]
    return alarm_of([mark.word]) or STYLES["trouble" if mark.word == "DEAD" else "caution"]


class _Columns(Layout):
    """The same columns as of a trace, with what they hold here."""

    heads = ("defined at", "seen", "queries", "median")
