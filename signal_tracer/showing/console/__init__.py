"""Showing a trace in a terminal: a header, the receivers, the tree, findings, what is missing.

What matters is said in words and with a leading "!", so that nothing depends on colour. Whatever
comes from the traced code is shown as it is: markup in it means nothing here, and no control
character of it reaches the terminal.

A trace that is longer than a screen or two has a brief form: no tree but of what went wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import IO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.text import Text

from signal_tracer.difference import Difference
from signal_tracer.findings import Found, over_trace
from signal_tracer.records import Error, Recorded
from signal_tracer.showing.console.differences import DifferencePicture
from signal_tracer.showing.console.layout import STYLES, Layout, Line, Picture, Spelling, note
from signal_tracer.showing.console.notes import Notes, worst_of
from signal_tracer.showing.console.receivers import MOST_RECEIVERS, receivers_of, table
from signal_tracer.showing.console.tree import Tree
from signal_tracer.showing.facts import (
    ALWAYS,
    Counts,
    count,
    facts_of_task,
    facts_of_trace,
    notices,
    tallies,
)
from signal_tracer.showing.found import spelled_out
from signal_tracer.showing.project_only import project_only as of_project
from signal_tracer.showing.rows import Row, rows_of, with_those_above
from signal_tracer.wording import plural

MOST_ROWS = 20  # of more, the whole is longer than a screen or two
MOST_WRONG = 10
MOST_FINDINGS = 5
WHOLE = (
    "report(trace, brief=False) of signal_tracer, or "
    '"signal_tracer.showing.console.report_whole" in REPORTERS'
)

NOTHING = (
    "No signal was sent, which is right if none was meant to be. Otherwise: save a model or send a "
    "signal of your own while the trace runs. For what other threads send, use "
    "trace_signals(all_threads=True)."
)


def render_trace(
    trace: Recorded,
    *,
    brief: bool | None = None,
    project_only: bool = False,
    whole: str = WHOLE,
    nothing: str = NOTHING,
) -> RenderableType:
    """``trace`` as it is now, drawn to the width of the console that will print it.

    ``brief``: only who took how long, what went wrong and what to do; with ``None`` where there
    are many rows. A request in which no receiver ran is then one line. ``project_only``: what
    only installed packages heard is in one row a package. ``whole``: what a person does to see
    all of what a brief form leaves out. ``nothing``: what is said where no signal was sent.
    """
    return _Picture(trace.frozen(), brief, project_only, whole, nothing)


def render_difference(
    difference: Difference,
    *,
    brief: bool | None = None,
    project_only: bool = False,
    whole: str = "brief=False",
) -> RenderableType:
    """What ``compare()`` returned, drawn to the width of the console that will print it.

    ``brief``: without what stands below something added or lost; with ``None`` where that is much.
    ``project_only``: what concerns only installed packages is counted. ``whole``: what a person
    does to see all of what a brief form leaves out.
    """
    shown = difference.of_project() if project_only else difference
    return DifferencePicture(shown, brief, whole)


def report(
    trace: Recorded | Difference,
    *,
    brief: bool | None = None,
    project_only: bool = False,
    width: int | None = None,
    file: IO[str] | None = None,
) -> None:
    """Print ``trace``, or what ``compare()`` returned, as a person reads it in a terminal.

    ``brief``: only who took how long, what went wrong and what to do; with ``None`` where the
    whole would be longer than a screen or two. ``project_only``: what only installed packages
    heard is in one row a package; of a difference it is counted. ``width``: columns, by default
    the terminal's. ``file``: by default standard error, as that is redirected and set up at this
    moment.
    """
    console = Console(file=file, stderr=file is None, width=width)
    if isinstance(trace, Difference):
        console.print(render_difference(trace, brief=brief, project_only=project_only))
    else:
        console.print(render_trace(trace, brief=brief, project_only=project_only))


def report_whole(trace: Recorded) -> None:
    """For ``REPORTERS``: the same, however long it is."""
    report(trace, brief=False)


def report_project_only(trace: Recorded) -> None:
    """For ``REPORTERS``: the same, with what only installed packages heard in one row a package."""
    report(trace, project_only=True)


@dataclass(frozen=True, slots=True)
class _Picture(Picture):
    trace: Recorded
    brief: bool | None
    project_only: bool
    whole: str
    nothing: str

    def lines(self, options: ConsoleOptions) -> Iterator[Text]:
        trace, spelling = self.trace, Spelling(options)
        counted, found = count(trace), over_trace(trace)
        title, time = _title(trace, spelling), spelling.duration(trace.contents.duration)
        if self.brief is not False and _is_idle(trace, counted, found):
            yield from Layout(options.max_width, title, time, []).one_line(
                [Text("no receiver ran"), *_counts(counted, but=ALWAYS)], spelling.signs.joint
            )
            return
        rows = self._rows(counted)
        is_brief = len(rows) > MOST_ROWS if self.brief is None else self.brief
        receivers = receivers_of(trace.contents, project_only=self.project_only)
        # Where each receiver has one row, or there are few, the tree says it all.
        calls = sum(row.kind == "call" for row in rows)
        is_table = is_brief or calls > max(len(receivers), MOST_RECEIVERS)
        who = list(table(receivers, spelling)) if is_table and receivers else []
        wrong = [row for row in rows if row.went_wrong] if is_brief else []
        told = _without_repeats(wrong)
        drawn = with_those_above(rows, told[:MOST_WRONG]) if is_brief else rows
        tree = list(Tree(spelling).lines(drawn))
        layout = Layout(options.max_width, title, time, tree, who)
        facts = [*facts_of_task(trace.task), *facts_of_trace(trace.contents)]
        about = [Text(spelling.words(fact), "dim") for fact in facts]
        worst = [worst_of(found.of_project)] if found.of_project else []
        yield from layout.header([*_counts(counted), *about, *worst], spelling.signs.joint)
        yield from layout.section(who)
        if wrong:
            once = ": each once, the first time" if len(told) < len(wrong) else ""
            heading = Text.assemble(("What went wrong, and in what", "bold"), once)
            yield from layout.section([Line([heading])])
        yield from layout.tree(is_first=not who)
        notes = Notes(trace, counted, found, spelling, self.nothing)
        yield from layout.section(notes.findings(MOST_FINDINGS if is_brief else None))
        below = notes.left_out() if is_brief else notes.notes()
        others = len(wrong) - len(told[:MOST_WRONG])
        more = _more(counted, others, self.whole, is_rest=bool(wrong)) if is_brief else iter(())
        yield from layout.section([*below, *layout.hidden_levels(), *more])

    def _rows(self, counted: Counts) -> list[Row]:
        if self.project_only:
            rows = rows_of(self.trace)
            return of_project(rows, self.trace.contents, self.trace.slow_from)
        # Of a brief form the rows in which nothing went wrong are not drawn.
        is_enough = self.brief is None and not _went_wrong(counted)
        return rows_of(self.trace, most=MOST_ROWS + 1 if is_enough else None)


def _went_wrong(counted: Counts) -> bool:
    return any(each.mark and each.mark.tone == "trouble" for each in tallies(asdict(counted)))


def _without_repeats(wrong: list[Row]) -> list[Row]:
    """The first of those that raised at the same line, in the same receivers of the same signals
    and senders.
    """
    first: dict[object, Row] = {}
    for row in wrong:
        error: Error | None = getattr(row.record, "error", None)
        traceback = error.traceback if error else ()
        raised = error and (error.type, traceback[-1].location if traceback else error.message)
        above, each = [], row
        while each.above is not None:
            each = each.above
            above.append((each.title, getattr(each.record, "sender", None)))
        first.setdefault((row.title, row.marks, raised, *above), row)
    return list(first.values())


def _more(counted: Counts, wrong: int, whole: str, *, is_rest: bool) -> Iterator[Line]:
    """What the brief form leaves out, and how to see it."""
    if not counted.dispatches:
        if counted.unheard:
            unheard = plural(counted.unheard, "unheard dispatch", "unheard dispatches")
            yield note(f"Not shown: {unheard}. All of it: {whole}.")
        return
    left_out = f"the tree of {plural(counted.dispatches, 'dispatch', 'dispatches')}"
    if is_rest:
        left_out = f"the rest of {left_out}"
    if wrong:
        times = "once" if wrong == 1 else f"{wrong} times"
        left_out += f", in which something went wrong {times} more"
    if counted.unheard:
        left_out += f", and {plural(counted.unheard, 'that was', 'that were')} unheard"
    yield note(f"Not shown: {left_out}. All of it: {whole}.")


def _is_idle(trace: Recorded, counted: Counts, found: Found) -> bool:
    """Whether a request has nothing to tell: no receiver ran, and nothing is amiss or missing."""
    return (
        trace.request is not None
        and not (counted.dispatches or counted.bypasses or spelled_out(found))
        and not any(notice.is_alarm for notice in notices(trace.contents))
    )


def _title(trace: Recorded, spelling: Spelling) -> str:
    request, task = trace.request, trace.task
    if task is not None:
        return spelling.clean(f"{trace.name}  {task.state or 'unfinished'}")
    if request is None:
        return spelling.clean(trace.name) or "trace"
    status = "no response" if request.status is None else str(request.status)
    return spelling.clean(f"{request.method} {request.path}  {status}")


def _counts(counted: Counts, but: tuple[str, ...] = ()) -> list[Text]:
    return [
        Text(str(each.count), STYLES[each.mark.tone] if each.mark else "")
        for each in tallies(asdict(counted))
        if each.name not in but
    ]
