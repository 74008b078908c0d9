"""Showing a chain in a terminal: a tree, as that of a trace, and what its marks mean."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from signal_tracer.chain import Chain, ChainStep
from signal_tracer.showing.chain_words import (
    StepMark,
    beside,
    counts_of,
    facts_of,
    legend,
    marks_of,
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
from signal_tracer.wording import location_of

_QUIET = ("NEVER SEEN", "MAY", "ASYNC")
_LOUD = {"DEAD": "trouble", "UNKNOWN": "caution", "CYCLE": "caution"}


@dataclass(frozen=True, slots=True)
class ChainTree:
    """The chain as a tree, drawn to the width of the console that will print it.

    ``hint``: a last line.
    """

    chain: Chain
    hint: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from _Picture(self.chain, Spelling(options)).drawn(options.max_width, self.hint)


class _Picture:
    def __init__(self, chain: Chain, spelling: Spelling) -> None:
        self.chain = chain
        self.spelling = spelling

    def drawn(self, width: int, hint: str) -> Iterator[Text]:
        title = self.spelling.clean(f"What {self.chain.start} sets off")
        lines = [line for step in self.chain.steps for line in self.lines(step)]
        layout = _Columns(width, title, "", lines)
        counts = [Text(each) for each in counts_of(self.chain)]
        yield from layout.header(counts, self.spelling.signs.joint)
        yield from layout.tree()
        below = [note(each) for each in legend(self.chain)]
        yield from layout.section([*below, *layout.hidden_levels()])
        if hint:
            yield from layout.section([note(hint)])

    def lines(
        self, step: ChainStep, guides: str = "", below: str = "", depth: int = 0
    ) -> Iterator[Line]:
        signs = self.spelling.signs
        inner = below + (signs.bar if step.steps else BLANK)
        title, *details = self.of_step(step)
        title.guides, title.guides_below, title.depth = guides, inner + BLANK, depth
        yield title
        for detail in details:
            detail.guides = detail.guides_below = inner
            detail.depth = depth
            yield detail
        for nested in step.steps:
            is_last = nested is step.steps[-1]
            lead = below + (signs.corner if is_last else signs.fork)
            yield from self.lines(
                nested, lead, below + (BLANK if is_last else signs.bar), depth + 1
            )

    def of_step(self, step: ChainStep) -> Iterator[Line]:
        spelling = self.spelling
        told = title_of(step)
        module, dot, name = spelling.clean(told.name).rpartition(".")
        if name.endswith("()"):  # Of a method also what it belongs to.
            owner, middle, last = module.rpartition(".")
            module, dot, name = owner, middle, f"{last}.{name}"
        text = Text(told.before).append(module + dot, "dim").append(name, "bold")
        text.append(spelling.clean(told.after))
        line = Line([text], is_title=True)
        line.parts += [Text(spelling.clean(each), "dim") for each in beside(step)]
        marks = [*marks_of(step, self.chain)]
        if marks:
            line.parts.append(Text(" ").join(Text(f"{each}", _style(each)) for each in marks))
            line.alarm = next((_style(each) for each in marks if each.word not in _QUIET), "")
        facts = [spelling.words(each) for each in facts_of(step)]
        if step.location is not None:
            place = spelling.clean(location_of(step.location))
            if spelling.is_wide:
                line.location = place
            else:
                facts.insert(0, place)
        if step.seen is not None and step.seen.duration is not None:
            line.time = Text(spelling.duration(step.seen.duration))
        yield line
        if facts:
            yield Line([Text(fact, "dim") for fact in facts], spelling.signs.joint)


def _style(mark: StepMark) -> str:
    if mark.word in _QUIET:
        return STYLES["plain"]
    return alarm_of([mark.word]) or STYLES["trouble" if mark.word == "DEAD" else "caution"]


class _Columns(Layout):
    """The same columns as of a trace, with what they hold here."""

    def headings(self) -> Text:
        if not (self.location_width or self.time_width):
            return Text()
        line = Line([], location="defined at")
        if self.time_width:
            line.time = Text("median")
        headings = self.columns(line)
        headings.stylize("dim")
        return self.beside(Text(), headings)
