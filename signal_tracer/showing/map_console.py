"""Showing a signal map in a terminal: a table by app and signal, and its findings.

What matters is said in words and with a leading "!", so that nothing depends on colour. Whatever
comes from the mapped code is shown as it is: markup in it means nothing here, and no control
character of it reaches the terminal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from signal_tracer.findings import Finding
from signal_tracer.findings.remarks import Remark
from signal_tracer.showing.map_rows import Group, group_by_app, notes, summary, unheard
from signal_tracer.signal_map import Connection, MappedSignal, SignalMap
from signal_tracer.wording import location_of, plural, printable

# The columns beside the number: receiver, sender, notes, place and docstring, at their widest. On
# a page too narrow for the last they do without; too narrow for the others, they stand in lines.
LONGEST = (64, 36, 36, 48, 60)
SHORTEST_DOC = 20
NUMBER = 6
GAP = "  "
BOUNDLESS = 500  # nobody sees the end of such a line: a program reads it, and wants whole names
LEVEL_STYLES = {"error": "bold red", "warning": "bold yellow", "info": "cyan"}


@dataclass(frozen=True, slots=True)
class MapTable:
    """The map as a table, drawn to the width of the console that will print it.

    ``with_unheard`` names the signals that nobody listens to; otherwise they are counted.
    ``hint`` is a last line.
    """

    signal_map: SignalMap
    with_unheard: bool = False
    hint: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        page = _Page(options)
        yield Text(summary(self.signal_map), "bold")
        groups = group_by_app(self.signal_map)
        if groups:
            yield from page.groups(groups)
        nobody = unheard(self.signal_map)
        if nobody and (self.with_unheard or not groups):
            yield Text("")
            yield Text("Nobody listens to", "bold")
            for signal in nobody:
                place = Text(f"  {page.clean(location_of(signal.defined_at))}", "dim")
                yield Padding(Text(page.clean(signal.name)) + place, (0, 0, 0, 2))
        if self.hint:
            yield Text("")
            yield Text(self.hint, "dim")


def render_findings(
    findings: Sequence[Finding | Remark], known: Sequence[Remark] = ()
) -> RenderableType:
    """The findings, the worst first, each with its place, why it matters and what to do.

    Then the known ones, one line each.
    """
    return _Findings(tuple(findings), tuple(known))


@dataclass(frozen=True, slots=True)
class _Findings:
    findings: tuple[Finding | Remark, ...]
    known: tuple[Remark, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        page = _Page(options)
        if self.findings:
            yield from self._whole(page)
        if self.findings and self.known:
            yield Text("")
        if self.known:
            yield Text(plural(len(self.known), "known finding"), "bold")
        for each in self.known:
            line = Text(page.clean(f"known {each.level} {each.slug}: {each.message}"), "dim")
            yield Padding(line, (0, 0, 0, 2))

    def _whole(self, page: _Page) -> Iterator[RenderableType]:
        counts = [
            plural(sum(each.level == level for each in self.findings), level)
            for level in LEVEL_STYLES
            if any(each.level == level for each in self.findings)
        ]
        yield Text(f"{plural(len(self.findings), 'finding')}: {', '.join(counts)}", "bold")
        for finding in self.findings:
            sign = " " if finding.level == "info" else "!"
            title = Text(f"{sign} {finding.level} {finding.slug}", LEVEL_STYLES[finding.level])
            yield Text("")
            yield title
            for text in (finding.message, finding.why, finding.advice):
                yield Padding(Text(page.clean(text)), (0, 0, 0, 4))


class _Page:
    """What depends on the width, and on what the stream can encode."""

    def __init__(self, options: ConsoleOptions) -> None:
        self.width = options.max_width
        self.is_ascii = options.ascii_only

    def clean(self, text: str) -> str:
        return printable(text, ascii_only=self.is_ascii)

    def groups(self, groups: list[Group]) -> Iterator[RenderableType]:
        every = [
            connection
            for group in groups
            for signal in group.signals
            for connection in signal.connections
        ]
        widths = self._widths([self._cells(connection) for connection in every])
        for group in groups:
            count = plural(group.count, "receiver")
            owner = "" if group.is_project else ", installed"
            yield Text("")
            yield Text(self.clean(group.app), "bold") + Text(f"  {count}{owner}", "dim")
            for signal in group.signals:
                yield self._heading(signal)
                for connection in signal.connections:
                    yield from self._rows(connection, widths)

    def _heading(self, signal: MappedSignal) -> RenderableType:
        heading = Text(self.clean(signal.name), "cyan")
        if signal.own_methods:  # Django's rules of who is called may not hold for it.
            heading.append(self.clean(f"  own {', '.join(signal.own_methods)}"), "yellow")
        return Padding(heading, (0, 0, 0, 2))

    def _rows(self, connection: Connection, widths: list[int]) -> Iterator[RenderableType]:
        is_alarming = connection.state != "alive" or connection.is_fragile
        style = "bold red" if is_alarming else ""
        number = Text(f"{'!' if is_alarming else ' '}{connection.position:5}", style)
        name, sender, remarks, place, doc = self._cells(connection)
        name.stylize(style)
        if widths:
            yield _line(number, [name, sender, remarks, place, doc][: len(widths)], widths)
            return
        room = [self.width - NUMBER - len(GAP)]
        yield _line(number, [Text(GAP).join([name, Text("from ") + sender])], room)
        below = Text(GAP).join(each for each in (place, remarks) if each)
        yield _line(Text(" " * NUMBER), [below], room)

    def _cells(self, connection: Connection) -> list[Text]:
        return [
            Text(self.clean(connection.receiver)),
            Text(self.clean(connection.heard), "dim" if connection.sender is None else ""),
            Text(self.clean(", ".join(notes(connection))), "yellow"),
            Text(self.clean(location_of(connection.defined_at)), "dim"),
            Text(self.clean(connection.doc), "dim italic"),
        ]

    def _widths(self, rows: list[list[Text]]) -> list[int]:
        """The width of each column, the same in every table; none where they would not fit."""
        columns = list(zip(*rows, strict=True))
        most = LONGEST if self.width < BOUNDLESS else (self.width,) * len(LONGEST)
        widths = [
            min(max(1, *(text.cell_len for text in column)), longest)
            for column, longest in zip(columns, most, strict=False)
        ]
        room = self.width - NUMBER - 2 * len(LONGEST) - sum(widths[:-1])
        if room >= SHORTEST_DOC:
            return [*widths[:-1], min(widths[-1], room)]
        return widths[:-1] if room >= -2 else []


def _line(number: Text, cells: list[Text], widths: list[int]) -> RenderableType:
    """One line, where everything fits; otherwise cells that are broken into several."""
    if len(cells) == len(LONGEST):
        cells[-1].truncate(widths[-1], overflow="ellipsis")
    if all(cell.cell_len <= width for cell, width in zip(cells, widths, strict=True)):
        line = number
        for cell, width in zip(cells, widths, strict=True):
            line.append(GAP).append_text(cell).append(" " * (width - cell.cell_len))
        line.rstrip()
        return line
    # A table of rich's own takes ten times as long, and is seldom needed.
    table = Table(box=None, show_header=False, padding=(0, len(GAP), 0, 0), pad_edge=False)
    table.add_column(width=NUMBER, no_wrap=True)
    for width in widths:
        table.add_column(overflow="fold", width=width)
    table.add_row(number, *cells)
    return table
