"""What a row of the timeline opens to: a sentence, a table of its facts, and its occurrences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from signal_tracer.panel.locations import Locations
from signal_tracer.panel.receivers import SORTED_BY, rank
from signal_tracer.panel.words import (
    NOTHING,
    code,
    counted,
    dotted,
    duration,
    gettext,
    in_words,
    joined,
    value,
    visible,
)
from signal_tracer.phrases import At
from signal_tracer.records import Bypass, Dispatch, Error, OnCommit, Query, ReceiverCall
from signal_tracer.showing.facts import (
    Arguments,
    Captured,
    Fact,
    Handled,
    InPackage,
    Queries,
    Source,
)
from signal_tracer.showing.receivers import add_up
from signal_tracer.showing.rows import Row

# So many different queries are laid out; the download has them all.
MAX_QUERIES = 50
# How many occurrences are laid out at once; the rest is one click further.
OCCURRENCES = 100
# So many receivers of a package; its rows have them all.
MAX_RECEIVERS = 30


@dataclass(frozen=True, slots=True)
class Details:
    """Lays a row's details out; ``parts`` is the address at which more of it can be had."""

    locations: Locations
    parts: str

    def show(self, row: Row) -> SafeString:
        sentence = row.sentence
        return joined(
            (
                NOTHING if sentence is None else format_html("<p>{}</p>", in_words(sentence)),
                _occurrences_heading(row),
                _table(cells for fact in _told(row) for cells in self._cells(fact)),
                self._package(row),
                occurrences(row, 0, self.parts),
            )
        )

    def _cells(self, fact: Fact) -> Iterator[tuple[str, SafeString]]:
        """The lines of the table that show ``fact``: its label, and what stands beside that."""
        label = gettext(fact.label)
        match fact.value:
            case None:
                yield label, format_html("{}", in_words(fact.unknown))
            case Source(location) | At(location):
                yield label, self.locations.show(location)
            case Captured(given):
                yield label, code(value(given))
            case Arguments(given):
                pairs = (code(f"{name} = {value(each)}") for name, each in given.items())
                yield label, joined(format_html("<div>{}</div>", pair) for pair in pairs)
            case Error():
                yield label, code(fact.value.type)
                yield from self._error(fact.value)
            case Handled():
                yield label, self._handled(fact.value)
            case Queries():
                yield label, _queries(fact.value)
            case _:
                yield label, code(str(in_words(fact.value)))

    def _package(self, row: Row) -> SafeString:
        """The receivers of a package's row, and the way to all that it stands for."""
        package = row.record
        if not isinstance(package, InPackage):
            return NOTHING
        receivers = rank(add_up(package.calls), SORTED_BY)
        headings = (gettext(each) for each in ("Receiver", "Calls", "Queries", "Own time"))
        shown = joined(
            format_html(
                '<tr><td><div class="djDebugSql">{} <small>{}</small></div></td>'
                '<td class="djdt-time">{}</td><td class="djdt-time">{}</td>'
                '<td class="djdt-time">{}</td></tr>',
                dotted(each.name),
                self.locations.show(each.defined_at),
                each.calls,
                each.queries or "",
                duration(each.own),
            )
            for each in receivers[:MAX_RECEIVERS]
        )
        return format_html(
            '{}<p><a class="remoteCall" href="{}?in={}">{}</a></p>',
            format_html(
                "<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>",
                joined(format_html("<th>{}</th>", each) for each in headings),
                shown,
            )
            if receivers
            else "",
            self.parts,
            row.number,
            gettext("Show every row that it stands for"),
        )

    def _error(self, error: Error) -> Iterator[tuple[str, SafeString]]:
        message = format_html('<pre dir="auto">{}</pre>', visible(error.message))
        yield gettext("Message"), message if "\n" in error.message else code(error.message)
        if error.traceback:
            yield (
                gettext("Traceback"),
                joined(
                    format_html(
                        "<div>{}</div>{}",
                        self.locations.show(line.location),
                        format_html('<code dir="ltr">    {}</code>', visible(line.code))
                        if line.code
                        else "",
                    )
                    for line in error.traceback
                ),
            )

    def _handled(self, handled: Handled) -> SafeString:
        told = [
            format_html(
                "<div>{}{}<br>{} {}<br>{} {}</div>",
                code(f"{each.type}: {each.message}"),
                f" × {times}" if times > 1 else "",
                gettext("raised at"),
                self.locations.show(each.raised_at),
                gettext("caught at"),
                self.locations.show(each.caught_at),
            )
            for each, times in handled.exceptions.items()
        ]
        if handled.omitted:
            more = counted(
                "%(number)s more, not kept", "%(number)s more, not kept", handled.omitted
            )
            told.append(format_html("<div>⚠ {}</div>", more))
        return joined(told)


def _told(row: Row) -> Iterable[Fact]:
    """Its facts, but for the receivers of a package, which have a table of their own."""
    is_package = isinstance(row.record, InPackage)
    return (fact for fact in row.facts if not (is_package and fact.label == "Receivers"))


def _table(cells: Iterable[tuple[str, SafeString]]) -> SafeString:
    return format_html(
        '<table class="djdt-codeContext"><colgroup><col width="150"><col></colgroup>'
        "<tbody>{}</tbody></table>",
        joined(
            format_html(
                '<tr><td><strong>{}</strong></td><td><div class="djDebugSql">{}</div></td></tr>',
                label,
                shown,
            )
            for label, shown in cells
        ),
    )


def _queries(queries: Queries) -> SafeString:
    groups: dict[tuple[str, str, bool, int | None], list[Query]] = {}
    for query in queries.queries:
        key = query.sql, query.alias, query.is_write, query.batch_size
        groups.setdefault(key, []).append(query)
    shown = list(groups.items())[:MAX_QUERIES]
    hidden = sum(len(same) for _, same in list(groups.items())[MAX_QUERIES:])
    total = sum(query.duration for query in queries.queries)
    number = len(queries.queries) + queries.omitted
    body = joined(
        format_html(
            "<div><strong>{}{}</strong> {} {}</div>",
            duration(sum(query.duration for query in same)),
            f" × {len(same)}" if len(same) > 1 else "",
            _about_query(alias, is_write, batch_size),
            format_html('<bdi class="sigtr-sql" dir="ltr">{}</bdi>', visible(sql)),
        )
        for (sql, alias, is_write, batch_size), same in shown
    )
    notes = [
        counted(
            "%(number)s more query is not shown here: download the trace.",
            "%(number)s more queries are not shown here: download the trace.",
            hidden,
        )
        if hidden
        else "",
        counted(
            "%(number)s more query was not kept, because the trace had too many.",
            "%(number)s more queries were not kept, because the trace had too many.",
            queries.omitted,
        )
        if queries.omitted
        else "",
    ]
    return joined(
        (
            format_html(
                "<div>{} · {}</div>",
                counted("%(number)s query", "%(number)s queries", number),
                duration(total),
            ),
            body,
            *(format_html("<div>⚠ {}</div>", note) for note in notes if note),
        )
    )


def _about_query(alias: str, is_write: bool, batch_size: int | None) -> SafeString:
    parts = [
        gettext("write") if is_write else "",
        "" if alias == "default" else gettext("on %(alias)s") % {"alias": visible(alias)},
        ""
        if batch_size is None
        else counted("%(number)s parameter set", "%(number)s parameter sets", batch_size),
    ]
    return format_html("{}", " · ".join(part for part in parts if part))


def _occurrences_heading(row: Row) -> SafeString:
    if row.count == 1:
        return NOTHING
    return format_html(
        "<p>{}</p>",
        gettext(
            "This row stands for %(number)s equal ones, which are listed below. Its numbers are "
            "of all together; where values differ, those of the first stand here."
        )
        % {"number": row.count},
    )


def occurrences(row: Row, start: int, parts: str) -> SafeString:
    """Those records of a folded row from ``start`` on: when, how long, and what differs."""
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
            row.number,
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
