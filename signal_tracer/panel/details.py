"""What a row of the timeline opens to: one table of all that was recorded of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.utils.html import format_html
from django.utils.safestring import SafeString

from signal_tracer.panel.language import counted, gettext
from signal_tracer.panel.lines import Line
from signal_tracer.panel.places import Places
from signal_tracer.panel.reasons import reason
from signal_tracer.panel.runs import occurrences
from signal_tracer.panel.words import NOTHING, code, duration, joined, value, visible
from signal_tracer.records import (
    Bypass,
    Dispatch,
    Error,
    HandledException,
    NearMiss,
    OnCommit,
    Query,
    ReceiverCall,
    Skipped,
    Value,
)

Fact = tuple[str, SafeString]

# So many different queries are laid out; the download has them all.
MAX_QUERIES = 50


@dataclass(frozen=True, slots=True)
class Details:
    """Lays a line's details out; ``parts`` is the address at which more of it can be had."""

    places: Places
    parts: str

    def show(self, line: Line) -> SafeString:
        record = line.row.record
        match record:
            case Dispatch():
                facts = self._dispatch(record)
            case ReceiverCall():
                facts = self._call(record, line.dispatch)
            case NearMiss():
                facts = self._miss(record)
            case Bypass():
                facts = self._bypass(record)
            case Skipped():
                facts = self._skipped(record)
            case OnCommit():
                facts = self._callback(record)
            case str():
                facts = [(gettext("Receiver"), code(record))]
        about = reason(record)
        return joined(
            (
                format_html("<p>{}</p>", about) if about else NOTHING,
                self._occurrences_heading(line),
                _table(facts),
                occurrences(line, 0, self.parts),
            )
        )

    def _occurrences_heading(self, line: Line) -> SafeString:
        if line.row.count == 1:
            return NOTHING
        return format_html(
            "<p>{}</p>",
            gettext(
                "This row stands for %(number)s equal ones, which are listed below. Its times and "
                "queries are of all together; what stands here is of the first."
            )
            % {"number": line.row.count},
        )

    def _dispatch(self, dispatch: Dispatch) -> list[Fact]:
        return [
            (gettext("Signal"), code(dispatch.signal)),
            (gettext("Sender"), code(dispatch.sender)),
            (gettext("Sent with"), code(f"{dispatch.method}()")),
            (gettext("Sent from"), self.places.show(dispatch.sent_from)),
            *_transaction(dispatch),
            *_exception(dispatch.error),
            # A receiver's exception has its traceback in that receiver's row.
            *([] if dispatch.receiver_calls else self._traceback(dispatch.error)),
            *_kwargs(dispatch),
        ]

    def _call(self, call: ReceiverCall, dispatch: Dispatch | None) -> list[Fact]:
        return [
            (gettext("Receiver"), code(call.receiver)),
            (gettext("Defined at"), self.places.show(call.defined_at)),
            *_uid(call.dispatch_uid),
            *([(gettext("Sender"), code(dispatch.sender))] if dispatch else []),
            *(
                [(gettext("Response"), code(value(call.response)))]
                if call.outcome == "returned"
                else []
            ),
            *_exception(call.error),
            *self._traceback(call.error),
            *self._handled(call.handled),
            *_queries(call),
            *_kwargs(dispatch),
        ]

    def _miss(self, miss: NearMiss) -> list[Fact]:
        return [
            (gettext("Receiver"), code(miss.receiver)),
            *([(gettext("Connected to"), code(miss.connected_to))] if miss.connected_to else []),
            (gettext("Defined at"), self.places.show(miss.defined_at)),
            *_uid(miss.dispatch_uid),
        ]

    def _bypass(self, bypass: Bypass) -> list[Fact]:
        rows = gettext("not known without a query") if bypass.rows is None else str(bypass.rows)
        options = ", ".join(bypass.options)
        return [
            (gettext("Model"), code(bypass.model)),
            (gettext("Method"), code(f"{bypass.method}()")),
            (gettext("Rows"), code(rows)),
            *([(gettext("Options"), code(options))] if options else []),
            (gettext("Called from"), self.places.show(bypass.sent_from)),
            (
                gettext("Skipped"),
                code(counted("%(number)s receiver", "%(number)s receivers", len(bypass.skipped))),
            ),
        ]

    def _skipped(self, skipped: Skipped) -> list[Fact]:
        return [
            (gettext("Receiver"), code(skipped.receiver)),
            (gettext("Waits for"), code(skipped.signal)),
            (gettext("Defined at"), self.places.show(skipped.defined_at)),
            *_uid(skipped.dispatch_uid),
        ]

    def _callback(self, callback: OnCommit) -> list[Fact]:
        return [
            (gettext("Callback"), code(callback.callback)),
            (gettext("Database"), code(callback.alias)),
            (gettext("Defined at"), self.places.show(callback.defined_at)),
            (gettext("Registered after"), code(duration(callback.registered_at))),
            *(
                [(gettext("Ran after"), code(duration(callback.ran_at)))]
                if callback.ran_at is not None
                else []
            ),
        ]

    def _handled(self, handled: Iterable[HandledException]) -> Iterator[Fact]:
        for each in handled:
            yield (
                gettext("Handled inside"),
                format_html(
                    "{}<br>{} {}<br>{} {}",
                    code(f"{each.type}: {each.message}"),
                    gettext("raised at"),
                    self.places.show(each.raised_at),
                    gettext("caught at"),
                    self.places.show(each.caught_at),
                ),
            )

    def _traceback(self, error: Error | None) -> Iterator[Fact]:
        lines = error.traceback if error else ()
        if lines:
            yield (
                gettext("Traceback"),
                joined(
                    format_html(
                        "<div>{}</div>{}",
                        self.places.show(line.location),
                        format_html('<code dir="ltr">    {}</code>', visible(line.code))
                        if line.code
                        else "",
                    )
                    for line in lines
                ),
            )


def _table(facts: Iterable[Fact]) -> SafeString:
    return format_html(
        '<table class="djdt-codeContext"><colgroup><col width="150"><col></colgroup>'
        "<tbody>{}</tbody></table>",
        joined(
            format_html(
                '<tr><td><strong>{}</strong></td><td><div class="djDebugSql">{}</div></td></tr>',
                label,
                shown,
            )
            for label, shown in facts
        ),
    )


def _uid(dispatch_uid: Value) -> list[Fact]:
    return [] if dispatch_uid is None else [("dispatch_uid", code(value(dispatch_uid)))]


def _exception(error: Error | None) -> list[Fact]:
    if error is None:
        return []
    message = format_html('<pre dir="auto">{}</pre>', visible(error.message))
    return [
        (gettext("Exception"), code(error.type)),
        (gettext("Message"), message if "\n" in error.message else code(error.message)),
    ]


def _kwargs(dispatch: Dispatch | None) -> list[Fact]:
    if dispatch is None or not dispatch.kwargs:
        return []
    return [
        (
            gettext("Keyword arguments"),
            joined(
                format_html("<div>{}</div>", code(f"{name} = {value(given)}"))
                for name, given in dispatch.kwargs.items()
            ),
        )
    ]


def _transaction(dispatch: Dispatch) -> Iterator[Fact]:
    if dispatch.rolled_back:
        yield (
            gettext("Transaction"),
            format_html(
                "{}",
                gettext("sent inside atomic(), which was rolled back later, on %(aliases)s")
                % {"aliases": ", ".join(map(visible, dispatch.rolled_back))},
            ),
        )
    elif dispatch.in_atomic:
        yield (
            gettext("Transaction"),
            format_html(
                "{}",
                gettext("sent inside atomic() on %(aliases)s")
                % {"aliases": ", ".join(map(visible, dispatch.in_atomic))},
            ),
        )
    if dispatch.on_commit is not None:
        yield gettext("Sent by the on_commit() callback"), code(dispatch.on_commit)


def _queries(call: ReceiverCall) -> Iterator[Fact]:
    if not call.query_count:
        return
    groups: dict[tuple[str, str, bool, int | None], list[Query]] = {}
    for query in call.queries:
        key = query.sql, query.alias, query.is_write, query.batch_size
        groups.setdefault(key, []).append(query)
    shown = list(groups.items())[:MAX_QUERIES]
    hidden = sum(len(same) for _, same in list(groups.items())[MAX_QUERIES:])
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
            call.omitted_queries,
        )
        if call.omitted_queries
        else "",
    ]
    yield (
        counted("%(number)s query", "%(number)s queries", call.query_count),
        joined((body, *(format_html("<div>⚠ {}</div>", note) for note in notes if note))),
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
