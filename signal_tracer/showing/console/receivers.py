"""The receivers table: who took the most time of its own, over all its calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.text import Text

from signal_tracer.records import Contents
from signal_tracer.showing.console.layout import GAP, Line, Spelling
from signal_tracer.showing.facts import every_dispatch
from signal_tracer.showing.receivers import Receiver, add_up, ranked
from signal_tracer.wording import plural

MOST_RECEIVERS = 10
HEADINGS = ("calls", "own", "total", "queries")


def receivers_of(contents: Contents, *, project_only: bool) -> list[Receiver]:
    """The greatest own time first; the receivers of a package are one, if they are put together."""
    calls = [call for each in every_dispatch(contents.dispatches) for call in each.receiver_calls]
    if not project_only:
        return ranked(add_up(calls))
    packages: dict[str, Receiver] = {}
    own: list[Receiver] = []
    for each in add_up(calls):
        owner = contents.owner_of(each.defined_at, each.name)
        if owner is None or owner.kind == "project":
            own.append(each)
        else:
            name = f"in {owner.name}"
            packages.setdefault(name, Receiver(name, None)).add(each)
    return ranked([*own, *packages.values()])


def table(receivers: Sequence[Receiver], spelling: Spelling) -> Iterator[Line]:
    shown = receivers[:MOST_RECEIVERS]
    cells = [HEADINGS, *(_cells(each, spelling) for each in shown)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]

    def columns(row: Iterable[str]) -> str:
        return "".join(f"{GAP}{cell:>{width}}" for cell, width in zip(row, widths, strict=True))

    heading = Text("Receivers, by own time", "bold")
    yield Line([heading], is_title=True, columns=Text(columns(HEADINGS), "dim"))
    for each, row in zip(shown, cells[1:], strict=True):
        module, dot, name = spelling.clean(each.name).rpartition(".")
        title = [Text.assemble((module + dot, "dim"), (name, "bold"))]
        if each.swallowed:
            title.append(Text(f"SWALLOWED {spelling.signs.times} {each.swallowed}", "bold red"))
        alarm = "bold red" if each.swallowed else ""
        yield Line(title, is_title=True, guides_below=GAP, columns=Text(columns(row)), alarm=alarm)
    rest = receivers[MOST_RECEIVERS:]
    if rest:
        time = spelling.duration(sum(each.own for each in rest))
        yield Line([Text(f"and {plural(len(rest), 'more receiver')}, {time}", "dim")])


def _cells(receiver: Receiver, spelling: Spelling) -> tuple[str, ...]:
    return (
        f"{receiver.calls:,}",
        spelling.duration(receiver.own),
        spelling.duration(receiver.total),
        f"{receiver.queries:,}" if receiver.queries else "",
    )
