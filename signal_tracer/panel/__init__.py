"""The debug toolbar's panel: one trace per request, kept in the toolbar's store.

What it shows is made of the toolbar's classes and switches, of table columns and of SVG
attributes, which every Content-Security-Policy leaves alone. One script adds comfort where a
policy lets it load.
"""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from dataclasses import asdict

from debug_toolbar.panels import Panel
from django.apps import apps
from django.core.checks import CheckMessage
from django.core.checks import Error as CheckError
from django.http import HttpRequest, HttpResponseBase
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import URLPattern
from django.utils.html import format_html

from signal_tracer.findings import over_trace
from signal_tracer.panel.former import former_of, learn, route_of
from signal_tracer.panel.page import page_of
from signal_tracer.panel.words import aside, gettext, gettext_lazy, in_words, visible
from signal_tracer.records import Request
from signal_tracer.showing.facts import count, tallies
from signal_tracer.showing.rows import seconds_in_receivers
from signal_tracer.trace import Trace, TraceFormatError
from signal_tracer.tracer import trace_signals

logger = logging.getLogger("signal_tracer")

# What the toolbar connects, to watch a request with, is nothing that the request did.
TOOLBAR = "debug_toolbar."


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

    @classmethod
    def get_urls(cls) -> list[URLPattern]:
        # Late: the toolbar's own modules want Django's apps to be ready.
        from signal_tracer.panel.views import urls

        return urls()

    @property
    def scripts(self) -> list[str]:
        return [*super().scripts, static("signal_tracer/panel.js")]

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
                contents = self._trace.contents
                contents.connection_changes = [
                    each
                    for each in contents.connection_changes
                    if not each.receiver.startswith(TOOLBAR)
                ]
                known = self._trace.request  # Its path has nothing in it that was redacted.
                self._trace.request = Request(
                    str(request.method),
                    request.path if known is None else known.path,
                    response.status_code,
                )
                # The counts are for the subtitle, also shown where the trace is not read.
                counts = asdict(count(self._trace))
                counts["findings"] = len(over_trace(self._trace).serious)
                asked = self._trace.request
                route = route_of(request, asked.path)
                stats = {
                    "trace": self._trace.to_dict(),
                    "asked": [asked.method, route, asked.status],
                    **counts,
                }
                learn(self.toolbar.request_id, stats)
                self.record_stats(stats)
                return
        except Exception:
            logger.exception("The panel could not record its trace.")
        self.record_stats({"trace": None})

    def generate_server_timing(self, request: HttpRequest, response: HttpResponseBase) -> None:
        try:
            if self._trace is not None:
                self.record_server_timing(
                    "receivers",
                    "Signal receivers",
                    round(seconds_in_receivers(self._trace.dispatches) * 1000, 3),
                )
        except Exception:
            logger.exception("The panel could not tell the time that receivers took.")

    def load_stats_from_store(self, data: object) -> None:
        # A store outlives upgrades, and may hold what another release, or nobody, understands.
        super().load_stats_from_store(data if isinstance(data, dict) else {})

    @property
    def nav_subtitle(self) -> str:
        stats = self.get_stats()
        if not stats.get("trace"):
            return gettext("No trace: see the log of 'signal_tracer'")
        # From a store that outlives an upgrade, anything may come under these names.
        numbers = {name: number for name, number in stats.items() if type(number) is int}
        told = [tally for tally in tallies(numbers) if tally.is_brief]
        subtitle = " · ".join(str(in_words(tally.count)) for tally in told)
        return aside(subtitle)

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
            request_id = self.toolbar.request_id
            page = page_of(request_id, Trace.from_dict(data))
            former = former_of(request_id, self.get_stats(), self.panel_id)
            return render_to_string(self.template, {**page.context(), "former": former})
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
