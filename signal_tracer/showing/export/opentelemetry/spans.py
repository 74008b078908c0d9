"""Spans: what took its time in a trace, each below the span that was active when it began.

A dispatch, a receiver call and a bypass are spans; what took no time is an event of one of them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import cast

from opentelemetry import trace as api
from opentelemetry.context import Context, get_current
from opentelemetry.trace import ProxyTracerProvider, Span, SpanContext, StatusCode

from signal_tracer.records import Bypass, Contents, Dispatch, Recorded
from signal_tracer.showing.export.opentelemetry.attributes import (
    Attribute,
    attributes_of,
    attributes_of_trace,
    end_of,
    error_of,
    events_of,
    kept,
    name_of,
    text,
)
from signal_tracer.showing.export.opentelemetry.blocking import warn_of_blocking_exports
from signal_tracer.showing.project_only import project_only
from signal_tracer.showing.rows import Row, rows_of
from signal_tracer.version import __version__

logger = logging.getLogger("signal_tracer")

SCOPE = "signal_tracer"
# Of the semantic conventions: the version in which code.* became stable.
SCHEMA = "https://opentelemetry.io/schemas/1.33.0"

# What 64 bits with a sign hold, since OTLP takes no other number: 1970 to 2262.
_LATEST = 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SpanReporter:
    """A reporter that makes spans of each trace it is given.

    ``max_spans``: of one trace. What went wrong comes first, with all that it is nested in, and
    then what took longest; of the rest each span says how many there were below it. ``packages``:
    whether there are spans as well of what only packages and Django heard, where nothing went
    wrong. ``tracer_provider``: by default the global one, as it is at each trace.

    Raises ``TypeError`` or ``ValueError`` for other values.
    """

    def __init__(
        self,
        *,
        max_spans: int = 100,
        packages: bool = False,
        tracer_provider: api.TracerProvider | None = None,
    ) -> None:
        if type(max_spans) is not int or max_spans < 1:
            raise ValueError(
                "SpanReporter(max_spans=...) wants a whole number from 1. For no spans at all, "
                "take the reporter out of REPORTERS."
            )
        if type(packages) is not bool:
            raise TypeError("SpanReporter(packages=...) wants True or False.")
        self._max_spans = max_spans
        self._packages = packages
        self._given = tracer_provider
        self._tracer: tuple[api.TracerProvider, api.Tracer] | None = None

    def accompany(self) -> Accompanying:
        """What goes along with one trace, and knows which span was active when."""
        return Accompanying(self)

    def __call__(self, trace: Recorded) -> None:
        """Spans of a trace that nothing went along with: below the span that is active now."""
        self.record(trace, {})

    def record(self, trace: Recorded, begun_in: Mapping[float, Context]) -> None:
        """Make the spans of ``trace``. ``begun_in``: where outermost ones began, by their starts.

        What is not in there, or began where no span was active, goes below the first span that was
        active in the trace or is now; and without any below one of the whole trace.
        """
        tracer = self._find_tracer()
        if tracer is None:
            return
        contexts = [each for each in (*begun_in.values(), get_current()) if _span_in(each).is_valid]
        # The sampler has decided. Nothing is read of a trace for spans that it would drop.
        if contexts and not any(map(_is_sampled, contexts)):
            return
        trace = trace.frozen()
        parts = [
            _Part(context, contents, trace.slow_from, packages=self._packages)
            for context, contents in _by_span(trace.contents, begun_in, next(iter(contexts), None))
            if context is None or _is_sampled(context)
        ]
        _make(tracer, trace, parts, self._max_spans)

    def _find_tracer(self) -> api.Tracer | None:
        """Ours, or ``None`` where nobody has set up the SDK."""
        # Looked up for each trace: a worker sets it up after its fork.
        provider = api.get_tracer_provider() if self._given is None else self._given
        if isinstance(provider, ProxyTracerProvider):
            _say_that_there_is_no_sdk()
            return None
        if self._tracer is None or self._tracer[0] is not provider:
            self._tracer = provider, provider.get_tracer(SCOPE, __version__, schema_url=SCHEMA)
            warn_of_blocking_exports(provider)
        return self._tracer[1]


class Accompanying:
    """Goes along with one trace, and keeps the context in which each outermost thing began."""

    def __init__(self, reporter: SpanReporter) -> None:
        self._reporter = reporter
        self._begun_in: dict[float, Context] = {}

    def begun(self, started_at: float) -> None:
        self._begun_in[started_at] = get_current()

    def __call__(self, trace: Recorded) -> None:
        # Let go of them at once: they keep spans alive, and whatever else somebody put in there.
        begun_in, self._begun_in = self._begun_in, {}
        if begun_in:  # otherwise nobody heard anything
            self._reporter.record(trace, begun_in)


def _span_in(context: Context) -> SpanContext:
    return api.get_current_span(context).get_span_context()


def _is_sampled(context: Context) -> bool:
    return _span_in(context).trace_flags.sampled


def _say_that_there_is_no_sdk() -> None:
    global _has_said_so
    if not _has_said_so:
        _has_said_so = True
        logger.warning(
            "signal_tracer makes no spans, because OpenTelemetry has no tracer provider. Set one "
            "up before the first request, in each worker process: see docs/opentelemetry.md."
        )


_has_said_so = False


# What becomes a span, below which.


def _by_span(
    contents: Contents, begun_in: Mapping[float, Context], otherwise: Context | None
) -> list[tuple[Context | None, Contents]]:
    """What was sent and done below each span, with the context of the first."""
    found: dict[int, tuple[Context | None, Contents]] = {}

    def below_its_span(each: Dispatch | Bypass) -> Contents:
        context = begun_in.get(each.started_at)
        if context is None or not _span_in(context).is_valid:
            context = otherwise
        span = 0 if context is None else _span_in(context).span_id
        if span not in found:
            found[span] = context, replace(contents, dispatches=[], bypasses=[])
        return found[span][1]

    for dispatch in contents.dispatches:
        below_its_span(dispatch).dispatches.append(dispatch)
    for bypass in contents.bypasses:
        below_its_span(bypass).bypasses.append(bypass)
    return list(found.values())


@dataclass(frozen=True, slots=True)
class _Below:
    """A part of a trace, of which rows can be made."""

    contents: Contents
    slow_from: float


class _Part:
    """What of a trace belongs below one span; ``context`` is ``None`` where none was active."""

    def __init__(
        self, context: Context | None, contents: Contents, slow_from: float, *, packages: bool
    ) -> None:
        self.context = context
        self.contents = contents
        rows = rows_of(cast("Recorded", _Below(contents, slow_from)))
        shown = rows if packages else project_only(rows, contents, slow_from)
        self.rows = [row for row in rows if row.is_timed]
        self.shown = [row for row in shown if row.is_timed and row.kind != "package"]
        # The numbers of the rows that become spans.
        self.chosen: set[int] = set()

    def omitted(self) -> dict[int | None, _Omitted]:
        """How many rows become none, by the number of the row that they are below."""
        shown = {row.number for row in self.shown}
        found: dict[int | None, _Omitted] = {}
        nearest: dict[int, int | None] = {}
        for row in self.rows:  # each before those nested in it
            above = nearest[row.above.number] if row.above else None
            nearest[row.number] = row.number if row.number in self.chosen else above
            if row.number not in self.chosen:
                omitted = found.setdefault(above, _Omitted())
                omitted.by_limit += row.number in shown
                omitted.in_packages += row.number not in shown
        return found


@dataclass(slots=True)
class _Omitted:
    """How many spans are not made: beyond the limit, and because only packages heard."""

    by_limit: int = 0
    in_packages: int = 0

    def attributes(self, of: str = "") -> dict[str, Attribute]:
        return kept(
            [
                (f"{of}omitted_spans", self.by_limit or None),
                (f"{of}package_spans", self.in_packages or None),
            ]
        )


def _choose(parts: Sequence[_Part], most: int) -> None:
    """What becomes a span: what went wrong, then what took longest, with what it is nested in.

    What went wrong so deep that there is no room for all above it stands without that.
    """
    rows = [(part, row) for part in parts for row in part.shown]
    if len(rows) > most:
        rows.sort(key=lambda each: (not each[1].went_wrong, -each[1].duration))
    for part, row in rows:
        if not most:
            return
        wanted = {each.number for each in (*row.rows_above(), row)} - part.chosen
        if len(wanted) > most and row.went_wrong:
            wanted = {row.number}
        if len(wanted) <= most:
            part.chosen |= wanted
            most -= len(wanted)


# Spans.


def _make(tracer: api.Tracer, trace: Recorded, parts: Sequence[_Part], most: int) -> None:
    has_own_root = any(part.context is None for part in parts)
    _choose(parts, max(most - has_own_root, 1))
    if not any(part.chosen for part in parts):
        return
    omitted = [part.omitted() for part in parts]
    of_trace = attributes_of_trace(trace) | _sum(omitted).attributes("trace.")
    spans = _Spans(tracer, _nanoseconds(trace.started_at))
    root = Context()
    if has_own_root:
        told = kept([("kind", "trace")]) | of_trace
        name = text(trace.name) or "signals"
        root = spans.start(name, root, 0.0, trace.contents.duration, told)
        if not api.get_current_span(root).is_recording():
            return  # The sampler dropped it, and would drop all below.
        of_trace = {}
    for part, left_out in zip(parts, omitted, strict=True):
        below: dict[int | None, Context] = {None: root if part.context is None else part.context}
        nearest: dict[int, int | None] = {}
        for row in part.shown:
            above = nearest[row.above.number] if row.above else None
            nearest[row.number] = row.number if row.number in part.chosen else above
            if row.number in part.chosen:
                told = attributes_of(row, part.contents) | of_trace
                if row.number in left_out:
                    told |= left_out[row.number].attributes()
                below[row.number] = spans.start_row(row, below[above], told)
                of_trace = {}
    spans.end()


def _sum(omitted: Sequence[Mapping[int | None, _Omitted]]) -> _Omitted:
    every = [each for found in omitted for each in found.values()]
    return _Omitted(sum(each.by_limit for each in every), sum(each.in_packages for each in every))


class _Spans:
    """The spans of one trace, which began at ``base``, in nanoseconds since 1970."""

    def __init__(self, tracer: api.Tracer, base: int) -> None:
        self._tracer = tracer
        self._base = base
        self._started: list[tuple[Span, int]] = []

    def start_row(self, row: Row, above: Context, told: dict[str, Attribute]) -> Context:
        context = self.start(name_of(row), above, row.started_at, end_of(row), told)
        span = self._started[-1][0]
        if span.is_recording():
            for event in events_of(row):
                span.add_event(event.name, event.attributes, self._at(event.at))
            error = error_of(row)
            if error is not None:
                span.set_status(StatusCode.ERROR, text(str(error)))
        return context

    def start(
        self, name: str, above: Context, start: float, end: float, told: dict[str, Attribute]
    ) -> Context:
        """The context below the new span."""
        span = self._tracer.start_span(name, above, attributes=told, start_time=self._at(start))
        self._started.append((span, self._at(end)))
        return api.set_span_in_context(span, above)

    def end(self) -> None:
        """All of them, those nested in others first."""
        for span, end in reversed(self._started):
            span.end(end)

    def _at(self, seconds: float) -> int:
        return min(max(self._base + round(seconds * 1e9), 0), _LATEST)


def _nanoseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000
