"""A trace as lines of text: what ``str(trace)`` is, and what the report of a failed test shows.

Every row for itself, and nothing that differs from run to run: no times, and so not what is slow.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from signal_tracer.findings import Finding, over_trace
from signal_tracer.records import Error, Recorded
from signal_tracer.showing.facts import Fact, count, facts_of_trace, notices, tallies
from signal_tracer.showing.rows import Row, rows_of
from signal_tracer.wording import plural, printable


def outline(trace: Recorded) -> list[str]:
    """One line a row, two spaces a level."""
    rows = rows_of(_timeless(trace), is_folded=False)
    return [printable(f"{'  ' * row.depth}{_line(row)}") for row in rows]


def _timeless(trace: Recorded) -> Recorded:
    """``trace`` as it is now, and nothing in it slow."""
    trace = trace.frozen()
    trace.slow_after = math.inf
    return trace


def _line(row: Row) -> str:
    facts = [fact for fact in row.facts if fact.value is not None]
    words = [*row.marks, *(str(each.value) for each in facts if _is_error(each))]
    if "NEAR MISS" in words:  # the other marks say why
        words.append(str(row.why))
    beside = [str(fact) for fact in facts if fact.where == "beside"]
    return "  ".join([str(row.title), *beside, *([" ".join(words)] if words else [])])


def _is_error(fact: Fact) -> bool:
    return isinstance(fact.value, Error) and fact.where != "nowhere"


def report(trace: Recorded, most_lines: int) -> str:
    """The counts, the outline, the findings and what was left out; empty if nothing was sent."""
    trace = _timeless(trace)
    counts, found, lines = count(trace), over_trace(trace), outline(trace)
    left_out = [str(notice.words) for notice in notices(trace.contents, len(found.hidden))]
    if not (lines or counts.unheard or left_out):
        return ""
    told = [str(each.count) for each in tallies(asdict(counts)) if each.count.number]
    told += map(str, facts_of_trace(trace.contents))
    more = len(lines) - most_lines
    return "\n".join(
        [
            *([" · ".join(told)] if told else []),
            *(lines[:most_lines] or ["no dispatches"]),
            *([f"... and {more:,} more"] if more > 0 else []),
            *_findings(found.shown),
            *map(printable, left_out),
        ]
    )


def _findings(shown: Sequence[Finding]) -> Iterator[str]:
    """What to do about each; those that are only good to know are counted."""
    told = [finding for finding in shown if finding.level != "info"]
    if told:
        yield "findings:"
    for finding in told:
        times = f" ({finding.count} times)" if finding.count > 1 else ""
        yield printable(f"  {finding}{times}")
        yield printable(f"    {finding.advice}")
    for_information = len(shown) - len(told)
    if for_information:
        yield f"{plural(for_information, 'finding')} for information"
