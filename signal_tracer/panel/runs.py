"""The dispatches that share a row: what each of them was, and how it differed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from signal_tracer.panel.language import counted, gettext
from signal_tracer.panel.lines import Line
from signal_tracer.panel.words import NOTHING, code, duration, joined, value
from signal_tracer.records import Bypass, Dispatch, OnCommit, ReceiverCall

# How many are laid out at once; the rest is one click further.
OCCURRENCES = 100


def occurrences(line: Line, start: int, parts: str) -> SafeString:
    """Those records of a folded row from ``start`` on: when, how long, and what differs."""
    row = line.row
    if row.count == 1:
        return NOTHING
    here = row.records[start : start + OCCURRENCES]
    records = row.records
    differing = _differing(records)
    body = joined(
        format_html(
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            index,
            duration(_start(record)),
            duration(getattr(record, "duration", 0.0)),
            record.query_count if isinstance(record, ReceiverCall) else "",
            code(_what_differs(record, differing)),
        )
        for index, record in enumerate(here, start + 1)
    )
    left = row.count - start - len(here)
    more = (
        format_html(
            '<p><a class="remoteCall" href="{}?row={}&amp;from={}">{}</a></p>',
            parts,
            line.number,
            start + len(here),
            counted("%(number)s more of them", "%(number)s more of them", left),
        )
        if left
        else NOTHING
    )
    return format_html(
        "<details{}><summary>{}</summary><table><thead><tr>"
        "<th>{}</th><th>{}</th><th>{}</th><th>{}</th><th>{}</th></tr></thead>"
        "<tbody>{}</tbody></table>{}</details>",
        mark_safe(" open") if start else "",
        gettext("Unfold: %(first)d to %(last)d of %(number)s")
        % {"first": start + 1, "last": start + len(here), "number": row.count},
        gettext("Number"),
        gettext("Started after"),
        gettext("Time"),
        gettext("Queries"),
        gettext("What differs"),
        body,
        more,
    )


def _differing(records: Sequence[object]) -> list[str]:
    """The keyword arguments whose values are not the same in all of ``records``."""
    dispatches = [each for each in records if isinstance(each, Dispatch)]
    names = dict.fromkeys(name for each in dispatches for name in each.kwargs)
    return [name for name in names if len({_kwarg(each, name) for each in dispatches}) > 1]


def _kwarg(dispatch: Dispatch, name: str) -> str:
    return value(dispatch.kwargs[name]) if name in dispatch.kwargs else "–"


def _what_differs(record: object, differing: Iterable[str]) -> str:
    if isinstance(record, Dispatch):
        return ", ".join(f"{name} = {_kwarg(record, name)}" for name in differing) or "–"
    if isinstance(record, ReceiverCall) and record.outcome == "returned":
        return gettext("response %(value)s") % {"value": value(record.response)}
    if isinstance(record, Bypass) and record.rows is not None:
        return counted("%(number)s row", "%(number)s rows", record.rows)
    return "–"


def _start(record: object) -> float:
    if isinstance(record, OnCommit):
        return record.registered_at
    return float(getattr(record, "started_at", 0.0))
