"""Showing in a terminal what a signal graph answers: what is at the top of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from signal_tracer.graph.questions import Questions, way_of
from signal_tracer.wording import format_duration, plural, printable

GAP = 2


@dataclass(frozen=True, slots=True)
class TopOfGraph:
    """A table for each question that has an answer, with the first ``most`` answers."""

    questions: Questions
    most: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        page = _Page(self.most, is_ascii=options.ascii_only)
        yield Text(page.clean(_summary(self.questions)), "bold")
        for title, heads, rows in _answers(self.questions):
            yield from page.table(title, heads, rows)


def _summary(questions: Questions) -> str:
    graph = questions.graph
    dispatches = sum(each.count for each in graph.dispatches.values())
    said = (
        f"Over {plural(graph.traces, 'trace')}: {plural(dispatches, 'dispatch', 'dispatches')}, "
        f"{plural(questions.receivers, 'receiver')}"
    )
    left_out = graph.omitted + graph.unrecorded
    return said + (f"; {left_out} of what was sent and called is not in it" if left_out else "")


Rows = Sequence[tuple[str, ...]]


def _answers(questions: Questions) -> Iterator[tuple[str, tuple[str, ...], Rows]]:
    yield (
        "Leads in a circle",
        ("receivers", "way"),
        [(str(len(steps)), way_of(steps)) for steps in questions.cycles()],
    )
    yield (
        "The longest chains",
        ("receivers", "way"),
        [(str(each.length), each.way) for each in questions.chains()],
    )
    yield (
        "Took most, without what was sent in it",
        ("time", "share", "queries", "calls", "receiver"),
        [
            (
                *(format_duration(each.own_time), f"{each.share:.0%}"),
                *(str(each.queries), str(each.count), each.receiver),
            )
            for each in questions.costs()
        ],
    )
    yield (
        "Much hangs together here",
        ("sent by", "heard by", "run below", "what"),
        [
            (
                *(str(each.senders or "code"), str(each.receivers)),
                *(str(each.below), each.sent.doing),
            )
            for each in questions.hubs()
        ],
    )
    yield (
        "Heard by one receiver, and sent by one or by none",
        ("calls", "way"),
        [
            (str(each.count), f"{each.sent_by or 'code'} sends {each.signal} > {each.receiver}")
            for each in questions.alone()
        ],
    )


class _Page:
    def __init__(self, most: int, *, is_ascii: bool) -> None:
        self._most = most
        self._is_ascii = is_ascii

    def clean(self, text: str) -> str:
        text = text.replace("µ", "u") if self._is_ascii else text
        return printable(text, ascii_only=self._is_ascii)

    def table(self, title: str, heads: tuple[str, ...], rows: Rows) -> Iterator[RenderableType]:
        if not rows:
            return
        yield Text("")
        yield Text(title, "bold")
        table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="dim")
        for head, example in zip(heads, rows[0], strict=True):
            is_number = example[:1].isdigit()
            table.add_column(
                head,
                justify="right" if is_number else "left",
                no_wrap=is_number,
                overflow="fold",
            )
        for row in rows[: self._most]:
            table.add_row(*(Text(self.clean(each)) for each in row))
        yield Padding(table, (0, 0, 0, GAP))
        if len(rows) > self._most:
            yield Padding(Text(f"and {len(rows) - self._most} more", "dim"), (0, 0, 0, GAP))
