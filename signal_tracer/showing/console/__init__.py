"""Showing a trace in a terminal: a header, the tree, the findings, what is missing.

What matters is said in words and with a leading "!", so that nothing depends on colour. Whatever
comes from the traced code is shown as it is: markup in it means nothing here, and no control
character of it reaches the terminal.
"""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.text import Text

from signal_tracer.findings import Found, over_trace
from signal_tracer.showing.console.notes import Notes, worst_of
from signal_tracer.showing.console.page import Page, Spelling
from signal_tracer.showing.console.tree import ALARMS, Tree
from signal_tracer.showing.outline import Counts, count
from signal_tracer.trace import Trace
from signal_tracer.wording import plural


def render_trace(trace: Trace) -> RenderableType:
    """``trace`` as it is now, drawn to the width of the console that will print it."""
    # A running trace gives other records at each reading: read it once.
    return _Picture(
        Trace(
            trace.name,
            started_at=trace.started_at,
            request=trace.request,
            slow_after=trace.slow_after,
            slow_share=trace.slow_share,
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
        trace, spelling = self.trace, Spelling(options)
        counted, found = count(trace), over_trace(trace)
        notes = Notes(trace, counted, found, spelling)
        page = Page(
            options.max_width,
            _title(trace, spelling),
            spelling.duration(trace.duration),
            list(Tree(trace, spelling).lines()),
        )
        yield from page.header(_counts(counted, found), spelling.signs.joint)
        yield from page.tree()
        yield from page.section(notes.findings())
        yield from page.section([*notes.notes(), *page.hidden_levels()])


def _title(trace: Trace, spelling: Spelling) -> str:
    request = trace.request
    if request is None:
        return spelling.clean(trace.name) or "trace"
    status = "no response" if request.status is None else str(request.status)
    return spelling.clean(f"{request.method} {request.path}  {status}")


def _counts(counted: Counts, found: Found) -> list[Text]:
    alarms = {
        "SWALLOWED": plural(counted.swallowed, "swallowed", "swallowed"),
        "RAISED": plural(counted.raised, "raised", "raised"),
        "CANCELLED": plural(counted.cancelled, "cancelled", "cancelled"),
        "RUNNING": plural(counted.running, "running", "running"),
        "HANDLED": plural(counted.handled, "handled", "handled"),
        "SLOW": plural(counted.slow, "slow", "slow"),
        "NOT RUN": plural(counted.not_run, "not run", "not run"),
        "NEAR MISS": plural(counted.near_misses, "near miss", "near misses"),
        "BYPASS": plural(counted.bypasses, "bypass", "bypasses"),
        "ROLLED BACK": plural(counted.rolled_back, "rolled back", "rolled back"),
    }
    return [
        Text(plural(counted.dispatches, "dispatch", "dispatches")),
        Text(plural(counted.receiver_calls, "receiver call")),
        *([Text(plural(counted.queries, "query", "queries"))] if counted.queries else []),
        *(Text(text, ALARMS[mark]) for mark, text in alarms.items() if not text.startswith("0 ")),
        *([Text(plural(counted.muted, "muted", "muted"))] if counted.muted else []),
        *([worst_of(found.shown)] if found.shown else []),
    ]
