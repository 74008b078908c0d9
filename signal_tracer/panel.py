"""The place for the debug toolbar's panel: one trace per request, kept in the toolbar's store.

It brings neither JavaScript nor a stylesheet: under a Content-Security-Policy that asks for a
nonce only the toolbar's own would load. All it shows is made of the toolbar's classes and
switches, of table columns and of SVG attributes, which every policy leaves alone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from typing import Any

from debug_toolbar.panels import Panel
from django.apps import apps
from django.core.checks import CheckMessage
from django.core.checks import Error as CheckError
from django.http import HttpRequest, HttpResponseBase
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.translation import gettext, gettext_lazy, ngettext

from signal_tracer.showing.outline import (
    Row,
    count,
    flatten,
    format_duration,
    outline,
    short_path,
)
from signal_tracer.trace import (
    Dispatch,
    Error,
    Location,
    NearMiss,
    ReceiverCall,
    Request,
    Trace,
    TraceFormatError,
    Value,
    show_value,
)
from signal_tracer.tracer import trace_signals

logger = logging.getLogger("signal_tracer")

# A row and its details are about 3 kB of HTML: more of them than this no browser opens gladly.
MAX_ROWS = 300
# Deeper rows are indented like this one, so that a recursion does not push all else out of sight.
MAX_INDENT = 12

TROUBLE = frozenset({"SWALLOWED", "RAISED", "CANCELLED", "NOT RUN"})


class SignalTracerPanel(Panel):
    """What the signals of a request did: dispatches, receiver calls, times and exceptions."""

    # Not called SignalsPanel: the toolbar knows a panel by its class name, and has one of those.

    is_async = True
    title = gettext_lazy("Signal tracer")
    template = "signal_tracer/panel.html"

    _tracing: AbstractContextManager[Trace] | None = None
    _trace: Trace | None = None

    @classmethod
    def run_checks(cls) -> list[CheckMessage]:
        if apps.is_installed("signal_tracer"):
            return []
        return [
            CheckError(
                "DEBUG_TOOLBAR_PANELS lists signal_tracer.panel.SignalTracerPanel, but "
                "'signal_tracer' is not in INSTALLED_APPS: the panel's template will not be found.",
                hint="Add 'signal_tracer' to INSTALLED_APPS.",
                id="signal_tracer.E003",
            )
        ]

    # Not in process_request(): under ASGI that returns a coroutine, before the view has run.

    def enable_instrumentation(self) -> None:
        if self._trace is not None:
            return
        try:
            request = self.toolbar.request
            tracing = trace_signals(
                f"{request.method} {request.path}", request=Request(request.method, request.path)
            )
            self._trace = tracing.__enter__()
            self._tracing = tracing
        except Exception:
            logger.exception("The panel could not start a trace; this request has none.")

    def disable_instrumentation(self) -> None:
        tracing, self._tracing = self._tracing, None
        if tracing is None:
            return
        try:
            tracing.__exit__(None, None, None)
        except Exception:
            logger.exception("The panel could not end its trace.")

    def generate_stats(self, request: HttpRequest, response: HttpResponseBase) -> None:
        try:
            if self._trace is not None:
                self._trace.request = Request(
                    str(request.method), request.path, response.status_code
                )
                counts = count(self._trace)
                self.record_stats(
                    {
                        "trace": self._trace.to_dict(),
                        # For the subtitle, which is also shown where the trace is not read.
                        "dispatches": counts.dispatches,
                        "receiver_calls": counts.receiver_calls,
                        "swallowed": counts.swallowed,
                    }
                )
                return
        except Exception:
            logger.exception("The panel could not record its trace.")
        self.record_stats({"trace": None})

    def generate_server_timing(self, request: HttpRequest, response: HttpResponseBase) -> None:
        try:
            if self._trace is not None:
                self.record_server_timing(
                    "dispatches",
                    "Signal dispatches and their receivers",
                    round(_time_in(self._trace.dispatches) * 1000, 3),
                )
        except Exception:
            logger.exception("The panel could not tell the time that dispatches took.")

    @property
    def nav_subtitle(self) -> str:
        stats = self.get_stats()
        if not stats.get("trace"):
            return gettext("No trace: see the log of 'signal_tracer'")
        parts = [
            ngettext("%(count)d dispatch", "%(count)d dispatches", stats["dispatches"])
            % {"count": stats["dispatches"]},
            ngettext("%(count)d receiver", "%(count)d receivers", stats["receiver_calls"])
            % {"count": stats["receiver_calls"]},
        ]
        if stats["swallowed"]:
            parts.append(
                ngettext("%(count)d swallowed", "%(count)d swallowed", stats["swallowed"])
                % {"count": stats["swallowed"]}
            )
        return " · ".join(parts)

    @property
    def content(self) -> str:
        data = self.get_stats().get("trace")
        if not data:
            return _sentence(
                gettext(
                    "This request was not traced, because the tracer failed. The page itself is "
                    "not affected; the log of the logger 'signal_tracer' says what happened."
                )
            )
        try:
            return render_to_string(self.template, _context(Trace.from_dict(data)))
        except TraceFormatError as error:  # a store that outlives an upgrade
            return _sentence(visible(str(error)))
        except Exception:
            logger.exception("The panel could not show a trace.")
            return _sentence(
                gettext(
                    "This trace could not be shown. The log of the logger 'signal_tracer' says "
                    "what happened."
                )
            )


def _sentence(text: str) -> str:
    return format_html("<p>{}</p>", text)


def visible(text: str) -> str:
    """``text`` with what a browser would not show, or would obey, as escapes.

    A mark that turns the writing direction, for one, makes a name read as another.
    """
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode()
        for each in text
    )


@dataclass(frozen=True, slots=True)
class Badge:
    word: str
    is_loud: bool


@dataclass(frozen=True, slots=True)
class Bar:
    """A piece of a time bar, in hundredths of the time axis.

    Strings, because a template writes numbers with the decimal comma of its language, and SVG
    does not read that.
    """

    x: str
    width: str


@dataclass(slots=True)
class Details:
    """What a row's switch opens."""

    about: str
    facts: list[tuple[str, str]]
    kwargs: list[tuple[str, str]] = field(default_factory=list)
    traceback: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the outline as the template wants it: texts made visible, and not yet escaped."""

    row: Row
    path: str
    name: str
    method: str
    sender: str
    badges: list[Badge]
    error: str
    indent: str
    columns: str
    has_trouble: bool
    is_slow: bool
    bar: Bar | None
    own_bars: list[Bar]
    duration: str
    own_time: str
    details: Details


def _context(trace: Trace) -> dict[str, Any]:
    """What the template is given."""
    rows = list(flatten(outline(trace)))
    shown = _worth_showing(rows)
    indents = max((min(row.depth, MAX_INDENT) for row in shown), default=0)
    dispatches = {row.key: row.record for row in rows if isinstance(row.record, Dispatch)}
    counts = count(trace)
    return {
        "counts": asdict(counts),
        "request": trace.request,
        "path": visible(trace.request.path if trace.request else trace.name),
        "duration": format_duration(trace.duration),
        "time_in_dispatches": format_duration(_time_in(trace.dispatches)),
        "slow_after": format_duration(trace.slow_after),
        "lines": [
            _line(row, dispatches.get(row.key.rpartition("-")[0]), indents, trace.duration)
            for row in shown
        ],
        "rows": len(rows),
        "max_rows": MAX_ROWS,
        "rows_left_out": len(rows) - len(shown),
        "has_notes": len(rows) > len(shown)
        or bool(counts.omitted or counts.too_deep or counts.faults or trace.unwatched),
        "indents": range(indents),
        "name_columns": str(indents + 1),
        "details_columns": str(indents + 4),  # all but the switch's
        "unheard": [
            (visible(each.signal), visible(each.sender), each.count)
            for each in sorted(trace.unheard, key=lambda each: -each.count)
        ],
        "unwatched": [
            (visible(f"{each.signal}.{each.method}"), each.count) for each in trace.unwatched
        ],
    }


def _worth_showing(rows: list[Row]) -> list[Row]:
    """The first rows; and of the others those that went wrong, with what they are nested in."""
    wanted = {row.key for row in rows[:MAX_ROWS]}
    for row in [row for row in rows[MAX_ROWS:] if TROUBLE.intersection(row.marks)][:MAX_ROWS]:
        places = row.key.split("-")
        wanted.update("-".join(places[:depth]) for depth in range(1, len(places) + 1))
    return [row for row in rows if row.key in wanted]


def _line(row: Row, above: Dispatch | None, indents: int, axis: float) -> Line:
    """``above`` is the dispatch that called the receiver of a row that is no dispatch."""
    record = row.record
    dotted = record.signal if isinstance(record, Dispatch) else row.title
    path, dot, name = dotted.rpartition(".")
    indent = min(row.depth, MAX_INDENT)
    bar, own_bars = _bars(row, axis)
    return Line(
        row=row,
        path=visible(path + dot),
        name=visible(name),
        method=f".{record.method}" if isinstance(record, Dispatch) else "",
        sender=visible(record.sender) if isinstance(record, Dispatch) else "",
        badges=[Badge(mark, mark in TROUBLE) for mark in row.marks],
        error=visible(str(record.error or "")) if isinstance(record, ReceiverCall) else "",
        indent=str(indent) if indent else "",
        columns=str(indents - indent + 1),
        has_trouble=bool(TROUBLE.intersection(row.marks)),
        is_slow="SLOW" in row.marks,
        bar=bar,
        own_bars=own_bars,
        duration=format_duration(row.duration) if bar else "",
        own_time=format_duration(row.own_time) if isinstance(record, ReceiverCall) else "",
        details=_details(row, above),
    )


def _bars(row: Row, axis: float) -> tuple[Bar | None, list[Bar]]:
    """The bar of the whole row, and the pieces of it in which no nested dispatch ran."""
    if not isinstance(row.record, Dispatch | ReceiverCall) or axis <= 0:
        return None, []
    start, end = row.started_at, row.started_at + row.duration
    own: list[tuple[float, float]] = []
    if isinstance(row.record, ReceiverCall):
        since = start
        for nested in sorted(row.rows, key=lambda each: each.started_at):
            own.append((since, min(nested.started_at, end)))
            since = max(since, nested.started_at + nested.duration)
        own.append((since, end))
    # Pieces too narrow to be seen are left out, because there may be thousands; but not all.
    seen = [piece for piece in own if piece[1] - piece[0] >= axis / 500] or own[:1]
    return _bar(start, end, axis), [_bar(since, until, axis) for since, until in seen]


def _bar(start: float, end: float, axis: float) -> Bar:
    """At least so wide that it can be seen; folded rows may end after all is over."""
    width = max((end - start) / axis * 100, 0.4)
    x = min(start / axis * 100, 99.6)
    return Bar(x=f"{x:.2f}", width=f"{min(width, 100 - x):.2f}")


def _details(row: Row, above: Dispatch | None) -> Details:
    record = row.record
    if isinstance(record, Dispatch):
        details = _dispatch_details(record)
    elif isinstance(record, ReceiverCall):
        details = _call_details(record, above)
    elif isinstance(record, NearMiss):
        details = Details(
            about=gettext("Not run: an earlier receiver raised, and that ended the dispatch."),
            facts=[
                (gettext("Receiver"), record.receiver),
                (gettext("Defined at"), _place(record.defined_at)),
                *_uid(record.dispatch_uid),
            ],
        )
    else:
        details = Details(
            about=gettext(
                "Not watched: this signal's class calls its receivers in code of its own. That "
                "this one was called is known from what the dispatch returned."
            ),
            facts=[(gettext("Receiver"), row.title)],
        )
    if row.count > 1:
        details.about += " " + gettext(
            "The row stands for %(count)d equal ones: the times are of all together, what follows "
            "is of the first."
        ) % {"count": row.count}
    details.facts = [(label, visible(value)) for label, value in details.facts]
    return details


def _dispatch_details(dispatch: Dispatch) -> Details:
    return Details(
        about=gettext(
            "Not watched: this signal's class calls its receivers in code of its own. Which ones "
            "were called is known from what the dispatch returned."
        )
        if dispatch.unwatched is not None
        else "",
        facts=[
            (gettext("Signal"), dispatch.signal),
            (gettext("Sender"), dispatch.sender),
            (gettext("Sent with"), f"{dispatch.method}()"),
            (gettext("Sent from"), _place(dispatch.sent_from)),
            *_exception(dispatch.error),
        ],
        kwargs=_kwargs(dispatch),
        # A receiver's exception has its traceback in that receiver's row.
        traceback=[] if dispatch.receiver_calls else _traceback(dispatch.error),
    )


def _call_details(call: ReceiverCall, dispatch: Dispatch | None) -> Details:
    about = {
        "returned": "",
        "swallowed": gettext(
            "Swallowed: the dispatch caught the exception and went on. Whoever sent the signal "
            "knows of it only by looking through what the dispatch returned."
        ),
        "raised": gettext(
            "Raised: the exception ended the dispatch and went on to whoever sent the signal."
        ),
        "cancelled": gettext("Cancelled: the task was cancelled while this receiver ran."),
        "running": gettext("Running: this receiver had not ended when the response was sent."),
    }
    return Details(
        about=about[call.outcome],
        facts=[
            (gettext("Receiver"), call.receiver),
            (gettext("Defined at"), _place(call.defined_at)),
            *_uid(call.dispatch_uid),
            *([(gettext("Sender"), dispatch.sender)] if dispatch else []),
            *(
                [(gettext("Response"), show_value(call.response))]
                if call.outcome == "returned"
                else []
            ),
            *_exception(call.error),
        ],
        kwargs=_kwargs(dispatch) if dispatch else [],
        traceback=_traceback(call.error),
    )


def _place(location: Location | None) -> str:
    if location is None:
        return gettext("not recorded")
    return gettext("%(file)s:%(line)d in %(function)s") % {
        "file": short_path(location.file),
        "line": location.line,
        "function": location.function,
    }


def _uid(dispatch_uid: Value) -> list[tuple[str, str]]:
    return [] if dispatch_uid is None else [("dispatch_uid", show_value(dispatch_uid))]


def _exception(error: Error | None) -> list[tuple[str, str]]:
    if error is None:
        return []
    return [(gettext("Exception"), error.type), (gettext("Message"), error.message)]


def _kwargs(dispatch: Dispatch) -> list[tuple[str, str]]:
    return [(visible(key), visible(show_value(value))) for key, value in dispatch.kwargs.items()]


def _traceback(error: Error | None) -> list[tuple[str, str]]:
    return [
        (visible(_place(line.location)), visible(line.code))
        for line in (error.traceback if error else ())
    ]


def _time_in(dispatches: Iterable[Dispatch]) -> float:
    """Seconds in which any of ``dispatches`` ran; async ones may run at the same time."""
    total = until = 0.0
    for dispatch in sorted(dispatches, key=lambda each: each.started_at):
        end = dispatch.started_at + dispatch.duration
        total += max(0.0, end - max(until, dispatch.started_at))
        until = max(until, end)
    return total
