"""A trace as lines of text: what ``print(trace)`` shows, and so a failed test; and its outline.

The text has what a person wants to know: times, lines, arguments, findings. The outline has
nothing that differs from run to run (no times, and so not what is slow), and each row for itself:
it is there to be compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict

from signal_tracer.findings import Found, over_trace
from signal_tracer.records import Error, NearMiss, Recorded
from signal_tracer.showing.facts import (
    ABOUT,
    Arguments,
    Queries,
    count,
    facts_of_trace,
    notices,
    tallies,
)
from signal_tracer.showing.found import in_packages, spelled_out
from signal_tracer.showing.project_only import project_only as of_project
from signal_tracer.showing.rows import Row, rows_of
from signal_tracer.showing.stable import AsRecorded, Stable
from signal_tracer.wording import (
    format_duration,
    innermost_of_project,
    location_of,
    plural,
    printable,
)

INDENT = "  "


# The outline.


def outline(
    trace: Recorded, *, project_only: bool = False, stable: bool = False, kwargs: bool = False
) -> list[str]:
    """One line a row, two spaces a level.

    ``stable``: with nothing that differs between runs of the same behaviour. ``kwargs``: below
    each dispatch what it was sent with.
    """
    trace = trace.frozen()
    trace.slow_after = math.inf  # Nothing in it is slow.
    spelling = Stable() if stable else AsRecorded()
    rows = _rows(trace, project_only, is_folded=False)
    lines = [line for row in rows for line in _outlined(row, spelling, kwargs)]
    if stable:  # Two traces that lack something are not the same, whatever is left of them.
        lines += [str(each.words) for each in notices(trace.contents) if each.is_alarm]
    return [printable(line) for line in lines]


def _outlined(row: Row, spelling: AsRecorded, kwargs: bool) -> Iterator[str]:
    facts = [fact for fact in row.facts if fact.value is not None and spelling.tells(fact)]
    beside = [str(fact) for fact in facts if fact.where == "beside"]
    indent = INDENT * row.depth
    yield indent + spelling.line(_title(row, beside, spelling))
    for fact in facts:
        if kwargs and row.kind == "dispatch" and isinstance(fact.value, Arguments):
            yield f"{indent}{INDENT * 2}{spelling.arguments(fact.value)}"


# The text.


def text(trace: Recorded, *, project_only: bool = False, most_rows: int | None = None) -> str:
    """Its name and time, counts, rows, findings, and what was left out.

    ``project_only``: what only packages heard is in one row a package. ``most_rows``: of more
    there is only the number.
    """
    trace = trace.frozen()
    found = over_trace(trace)
    rows = _rows(trace, project_only)
    shown = rows[:most_rows]
    more = len(rows) - len(shown)
    lines = [
        f"{trace.name or 'trace'}  {format_duration(trace.contents.duration)}",
        _counts(trace, found),
        "",
        *(line for row in shown for line in _told(row)),
        *(["no dispatches"] if not rows else []),
        *([f"... and {plural(more, 'more row')}"] if more else []),
    ]
    below = (
        _unheard(trace),
        _findings(found),
        (str(notice.words) for notice in notices(trace.contents, len(found.hidden))),
    )
    for each in below:
        told = list(each)
        lines += ["", *told] if told else []
    return "\n".join(map(printable, lines))


def is_empty(trace: Recorded) -> bool:
    """Whether no signal was sent, as far as the trace knows."""
    contents = trace.contents
    return not (
        contents.dispatches
        or contents.bypasses
        or contents.unheard
        or any(True for _ in notices(contents))
    )


def _rows(trace: Recorded, project_only: bool, *, is_folded: bool = True) -> list[Row]:
    rows = rows_of(trace, is_folded=is_folded)
    return of_project(rows, trace.contents, trace.slow_from) if project_only else rows


def _counts(trace: Recorded, found: Found) -> str:
    told = [str(each.count) for each in tallies(asdict(count(trace)))]
    told += map(str, facts_of_trace(trace.contents))
    if found.of_project:
        told.append(plural(len(found.of_project), "finding"))
    return " · ".join(told)


def _told(row: Row) -> Iterator[str]:
    """Its title with its time, and below it all else."""
    beside: list[str] = []
    below: list[str] = []
    for fact in row.facts:
        if fact.value is None or fact.where == "nowhere":
            continue
        match fact.value:
            case Error():
                below += _raised_at(fact.value)
            case Queries():
                below.append(f"{fact}{_not_timed(fact.value)}")
            case Arguments() if row.count > 1:  # the others may have had other values
                below.append(f"first of {row.count}: {fact.value}")
            case Arguments():
                below.append(str(fact.value))
            case _:
                (beside if fact.where == "beside" else below).append(str(fact))
    if row.why is not None and "NEAR MISS" not in row.marks:
        below.append(str(row.why))
    if row.kind == "call" and any(each.kind in ("dispatch", "package") for each in row.rows):
        below.append(f"own time {format_duration(row.own_time)}")
    if row.is_timed or row.duration:
        beside.append(format_duration(row.duration))
    indent = INDENT * row.depth
    yield indent + _title(row, beside)
    if below:
        yield f"{indent}{INDENT * 2}{' · '.join(below)}"


def _title(row: Row, beside: list[str], spelling: AsRecorded | None = None) -> str:
    times = f" × {row.count}" if row.count > 1 else ""
    spelling = spelling or AsRecorded()
    words = [*row.marks, *map(spelling.error, _errors(row))]
    if "NEAR MISS" in words:  # the other marks say why
        words.append(str(row.why))
    return "  ".join([f"{row.title}{times}", *beside, *([" ".join(words)] if words else [])])


def _errors(row: Row) -> Iterator[Error]:
    for fact in row.facts:
        if isinstance(fact.value, Error) and fact.where != "nowhere":
            yield fact.value


def _raised_at(error: Error) -> Iterator[str]:
    if error.traceback:
        line = innermost_of_project(error.traceback)
        yield f"raised at {location_of(line.location)} in {line.location.function}"


def _not_timed(queries: Queries) -> str:
    return f", {queries.omitted} of them not timed" if queries.omitted else ""


def _unheard(trace: Recorded) -> Iterator[str]:
    """Those that a receiver nearly heard; of the rest the head has the number."""
    about = ABOUT[NearMiss]
    for each in trace.contents.unheard:
        if each.near_misses:
            place = f"  sent from {location_of(each.sent_from)}" if each.sent_from else ""
            yield f"unheard: {each.signal}  sender={each.sender} × {each.count}{place}"
        for miss in each.near_misses:
            words = [*about.marks(miss, trace.slow_from), str(about.why(miss) or "")]
            yield f"{INDENT}{about.title(miss)}  {' '.join(words).rstrip()}"


def _findings(found: Found) -> Iterator[str]:
    """What to do about each; those that are only good to know, or a package's, are counted."""
    told = [finding for finding in spelled_out(found) if finding.level != "info"]
    if told:
        yield "findings:"
    for finding in told:
        times = f" ({finding.count} times)" if finding.count > 1 else ""
        yield f"{INDENT}{finding}{times}"
        yield f"{INDENT * 2}{finding.advice}"
    for_information = sum(finding.level == "info" for finding in found.of_project)
    if for_information:
        yield f"{plural(for_information, 'finding')} for information"
    if others := in_packages(found):
        yield f"findings: {others}" if not told else f"{INDENT}{others}"
