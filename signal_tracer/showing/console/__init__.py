"""Showing a trace in a terminal: a header, the tree, the findings, what is missing.

What matters is said in words and with a leading "!", so that nothing depends on colour. Whatever
comes from the traced code is shown as it is: markup in it means nothing here, and no control
character of it reaches the terminal.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.text import Text

from signal_tracer.findings import over_trace
from signal_tracer.records import Recorded
from signal_tracer.showing.console.layout import STYLES, Layout, Spelling
from signal_tracer.showing.console.notes import Notes, worst_of
from signal_tracer.showing.console.tree import Tree
from signal_tracer.showing.facts import Counts, count, facts_of_task, facts_of_trace, tallies


def render_trace(trace: Recorded) -> RenderableType:
    """``trace`` as it is now, drawn to the width of the console that will print it."""
    return _Picture(trace.frozen())


def report(trace: Recorded) -> None:
    """Print ``trace`` to standard error, as that is redirected and set up at this moment."""
    Console(stderr=True).print(render_trace(trace))


@dataclass(frozen=True, slots=True)
class _Picture:
    trace: Recorded

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        trace, spelling = self.trace, Spelling(options)
        counted, found = count(trace), over_trace(trace)
        notes = Notes(trace, counted, found, spelling)
        layout = Layout(
            options.max_width,
            _title(trace, spelling),
            spelling.duration(trace.contents.duration),
            list(Tree(trace, spelling).lines()),
        )
        facts = [*facts_of_task(trace.task), *facts_of_trace(trace.contents)]
        about = [Text(spelling.words(fact), "dim") for fact in facts]
        worst = [worst_of(found.shown)] if found.shown else []
        head = [*_counts(counted), *about, *worst]
        yield from layout.header(head, spelling.signs.joint)
        yield from layout.tree()
        yield from layout.section(notes.findings())
        yield from layout.section([*notes.notes(), *layout.hidden_levels()])


def _title(trace: Recorded, spelling: Spelling) -> str:
    request, task = trace.request, trace.task
    if task is not None:
        return spelling.clean(f"{trace.name}  {task.state or 'unfinished'}")
    if request is None:
        return spelling.clean(trace.name) or "trace"
    status = "no response" if request.status is None else str(request.status)
    return spelling.clean(f"{request.method} {request.path}  {status}")


def _counts(counted: Counts) -> list[Text]:
    return [
        Text(str(each.count), STYLES[each.mark.tone] if each.mark else "")
        for each in tallies(asdict(counted))
    ]
