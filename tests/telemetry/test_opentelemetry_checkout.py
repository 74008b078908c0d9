"""What arrives of the shop's checkout at a collector: the trace, below the span of the request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from otlp import Arrived, Collector, collecting, trees

pytest.importorskip("opentelemetry.instrumentation.django")
pytest.importorskip("opentelemetry.exporter.otlp.proto.http")

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.instrumentation.sqlite3 import SQLite3Instrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from scenarios import sample_data
from signal_tracer import Trace
from signal_tracer.records import Dispatch, ReceiverCall
from signal_tracer.showing.export.opentelemetry import SpanReporter

ERROR = 2
PAGE = (Path(__file__).parents[2] / "docs" / "opentelemetry.md").read_text()

providers: list[TracerProvider] = []
traces: list[Trace] = []


report: Any = None


def keep(trace: Trace) -> None:
    traces.append(trace)


@pytest.fixture
def collector(db: None, settings: Any, tmp_path: Path) -> Iterator[Collector]:
    """Of requests to the filled shop, and each query of theirs."""
    settings.MEDIA_ROOT = tmp_path
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # the quick one
    cache.clear()
    sample_data.prepare()
    provider = TracerProvider()
    providers[:] = [provider]
    settings.MIDDLEWARE = [each for each in settings.MIDDLEWARE if "toolbar" not in each]
    settings.SIGNAL_TRACER = {"ENABLED": True, "SLOW_RECEIVER_MS": 15_000}
    driver = connection.connection
    with collecting() as collector:
        exporter = OTLPSpanExporter(f"{collector.url}/v1/traces")
        provider.add_span_processor(BatchSpanProcessor(exporter))
        DjangoInstrumentor().instrument(tracer_provider=provider)
        connection.connection = SQLite3Instrumentor().instrument_connection(driver, provider)
        yield collector
        connection.connection = driver
        DjangoInstrumentor().uninstrument()
        provider.shutdown()
    traces.clear()


def press(slug: str, collector: Collector, settings: Any, **options: Any) -> list[Arrived]:
    """The spans that arrive when the button of a scenario is pressed."""
    global report
    report = SpanReporter(tracer_provider=providers[0], **options)
    settings.SIGNAL_TRACER = {
        **settings.SIGNAL_TRACER,
        "REPORTERS": [f"{__name__}.report", f"{__name__}.keep"],
    }
    assert Client().post(f"/{slug}/").status_code == 200
    providers[0].force_flush()
    return collector.spans


def test_the_page_draws_what_arrives_of_the_checkout(collector: Collector, settings: Any) -> None:
    spans = press("checkout", collector, settings)

    def line(span: Arrived) -> str:
        times = f" × {_value(span, 'count')}" if _value(span, "count") else ""
        error = f"  ERROR {span.message.split(':')[0]}" if span.status == ERROR else ""
        return f"{span.name}{times}{error}"

    drawn = "\n".join(trees(spans, only_ours=True, line=line))
    assert f"```text\n{drawn}\n```" in PAGE


@pytest.mark.parametrize("slug", ["checkout", "newsletter", "deletion", "import", "rollback"])
def test_the_spans_that_arrive_are_the_trace(
    slug: str, collector: Collector, settings: Any
) -> None:
    spans = press(slug, collector, settings, max_spans=1000, packages=True)

    [trace] = traces
    [server] = [span for span in spans if span.name == f"POST {slug}/"]
    assert {span.trace for span in spans} == {server.trace}
    assert {span.parent for span in spans if not span.is_ours} == {"", server.id}
    arrived: dict[tuple[str, ...], tuple[int, int, int]] = {}
    for span in spans:
        if span.is_ours:
            path = _path(span, spans)
            count, first, last = arrived.get(path, (0, span.start, span.end))
            count += _value(span, "count") or 1
            arrived[path] = count, min(first, span.start), max(last, span.end)
    assert arrived == _expected(trace)
    swallowed = [span for span in spans if _value(span, "outcome") == "swallowed"]
    assert len(swallowed) == len(trace.swallowed())
    assert all([event[0] for event in span.events] == ["exception"] for span in swallowed)


def _value(span: Arrived, name: str) -> Any:
    return span.attributes.get(f"django.signal.{name}")


def _path(span: Arrived, spans: list[Arrived]) -> tuple[str, ...]:
    """By which names it is reached from the request."""
    names, each = [], span
    while each.is_ours:
        names.append(str(_value(each, "receiver") or _value(each, "name") or each.name))
        [each] = [other for other in spans if other.id == each.parent]
    return tuple(reversed(names))


def _expected(trace: Trace) -> dict[tuple[str, ...], tuple[int, int, int]]:
    """By the names that lead to them, how many records, when they began and when they had ended."""
    began = round(trace.started_at.timestamp() * 1_000_000) * 1000
    found: dict[tuple[str, ...], tuple[int, int, int]] = {}
    waiting: list[tuple[tuple[str, ...], Any]] = [
        ((), each) for each in (*trace.dispatches, *trace.bypasses)
    ]
    for above, record in waiting:  # which grows
        match record:
            case Dispatch():
                path, nested = (*above, record.signal), record.receiver_calls
            case ReceiverCall():
                path, nested = (*above, record.receiver), [*record.dispatches, *record.bypasses]
            case _:
                path, nested = (*above, f"{record.model}{record.operation}"), []
        waiting += [(path, each) for each in nested]
        start = began + round(record.started_at * 1e9)
        end = began + round((record.started_at + record.duration) * 1e9)
        count, first, last = found.get(path, (0, start, end))
        found[path] = count + 1, min(first, start), max(last, end)
    return found
