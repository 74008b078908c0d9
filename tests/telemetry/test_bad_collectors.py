"""A collector that is away, slow or talks rubbish: no request waits for it, and nothing is lost."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

pytest.importorskip("opentelemetry.sdk")
from bad_collectors import BadCollector, nobody_there
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    InMemoryMetricReader,
    MetricExporter,
    MetricExportResult,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    ConsoleSpanExporter,
    SimpleSpanProcessor,
    SpanExporter,
    SpanExportResult,
)
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NoOpTracerProvider

from signal_tracer import Trace, reporting, trace_signals
from signal_tracer.showing.export.opentelemetry.blocking import warn_of_blocking_exports
from signal_tracer.showing.export.opentelemetry.metrics import MetricReporter
from signal_tracer.showing.export.opentelemetry.spans import SpanReporter
from small_collector import Arrived, SmallCollector

if TYPE_CHECKING:
    from pytest_django import Settings

ROOT = Path(__file__).resolve().parents[2]

paid = Signal()
work: list[int] = []
providers: list[Any] = []


def receipt(sender: object, order: int, **kwargs: object) -> None:
    work.append(order)


def pay(request: HttpRequest, order: int) -> HttpResponse:
    paid.send("the shop", order=order)
    return HttpResponse(f"paid {order}")


urlpatterns = [path("pay/<int:order>/", pay)]

# The reporters of the setting. A trace has 3 spans: one of the whole, the dispatch, the receiver.


def report_spans(trace: Trace) -> None:
    SpanReporter(tracer_provider=providers[0])(trace)


def report_metrics(trace: Trace) -> None:
    MetricReporter(meter_provider=providers[1])(trace)


@pytest.fixture
def site(settings: Settings) -> Iterator[Client]:
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = ["signal_tracer.middleware.SignalTracerMiddleware"]
    settings.SIGNAL_TRACER = {
        "ENABLED": True,
        "REPORTERS": [f"{__name__}.report_spans", f"{__name__}.report_metrics"],
    }
    paid.connect(receipt)
    work.clear()
    reporting._logged.clear()
    yield Client()
    paid.disconnect(receipt)
    reporting._logged.clear()
    while providers:
        providers.pop()


def pay_for(site: Client, orders: range) -> None:
    """As many requests as orders, each answered as it should be and with its work done."""
    work.clear()
    answers = [site.get(f"/pay/{order}/") for order in orders]
    assert [answer.content.decode() for answer in answers] == [f"paid {each}" for each in orders]
    assert work == list(orders)


@contextmanager
def exporting_to(url: str, *, timeout: float = 0.2, **batch: Any) -> Iterator[TracerProvider]:
    """Spans by a BatchSpanProcessor, metrics when they are flushed; and both shut down again.

    The exporter tries again after a second: with a ``timeout`` below that, it gives up at once.
    """
    spans = TracerProvider(shutdown_on_exit=False)
    spans.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(f"{url}/v1/traces", timeout=timeout), **batch)
    )
    reader = PeriodicExportingMetricReader(
        OTLPMetricExporter(f"{url}/v1/metrics", timeout=timeout), float("inf")
    )
    metrics = MeterProvider([reader], shutdown_on_exit=False)
    providers[:] = [spans, metrics]
    try:
        yield spans
    finally:
        spans.shutdown()
        metrics.shutdown()


def lines_of(caplog: pytest.LogCaptureFixture, library: str) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.name.partition(".")[0] == library and record.levelno >= logging.WARNING
    ]


def test_requests_are_answered_while_the_collector_does_not_answer(
    site: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with BadCollector() as collector:
        collector.hold()
        with exporting_to(collector.url, timeout=60, max_export_batch_size=3) as spans:
            pay_for(site, range(1))
            assert collector.asked.wait(60)
            # From here on the exporter waits, in a thread of its own.
            pay_for(site, range(1, 101))
            assert len(collector.bodies) == 1
            collector.release()
            assert spans.force_flush()
            assert sum(map(spans_in, collector.bodies)) == 3 * 101
    assert lines_of(caplog, "signal_tracer") == []


def test_a_queue_that_is_full_lets_go_of_spans_and_holds_up_nobody(
    site: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with BadCollector() as collector:
        collector.hold()
        size = {"max_queue_size": 30, "max_export_batch_size": 3}
        with exporting_to(collector.url, timeout=60, **size) as spans:
            pay_for(site, range(1))
            assert collector.asked.wait(60)
            pay_for(site, range(1, 101))
            collector.release()
            spans.force_flush()
            assert sum(map(spans_in, collector.bodies)) == 3 + 30
    assert lines_of(caplog, "signal_tracer") == []


def spans_in(body: bytes) -> int:
    return sum(
        len(scope.spans)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
    )


def test_an_unreachable_collector_is_told_of_by_the_sdk_alone(
    site: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with nobody_there() as url, exporting_to(url) as spans:
        pay_for(site, range(20))
        spans.force_flush()
        providers[1].force_flush()
    assert lines_of(caplog, "signal_tracer") == []
    assert "Failed to export spans batch" in "".join(lines_of(caplog, "opentelemetry"))


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 400},
        {"status": 401, "body": b"who are you?"},
        {"status": 500},
        {"status": 503},
        {"raw": b"\x00\xff no HTTP at all\r\n\r\n"},
        {"raw": b""},
        {"body": b"\xff\xff no protobuf either"},
    ],
    ids=["400", "401", "500", "503", "rubbish", "hangs-up", "rubbish-in-protobuf"],
)
def test_a_collector_that_refuses_or_talks_rubbish_disturbs_no_request(
    site: Client, answer: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    with BadCollector(**answer) as collector, exporting_to(collector.url) as spans:
        pay_for(site, range(20))
        spans.force_flush()
        providers[1].force_flush()
        pay_for(site, range(20, 40))
        assert collector.bodies
    assert lines_of(caplog, "signal_tracer") == []


class RaisingSpans(SpanExporter):
    def export(self, spans: Any) -> SpanExportResult:
        raise ValueError("no export today")


class RaisingMetrics(MetricExporter):
    def export(self, metrics_data: Any, *_: Any, **__: Any) -> MetricExportResult:
        raise ValueError("no export today")

    def force_flush(self, *_: Any, **__: Any) -> bool:
        return True

    def shutdown(self, *_: Any, **__: Any) -> None: ...


@pytest.mark.parametrize("processor", [BatchSpanProcessor, SimpleSpanProcessor])
def test_an_exporter_that_raises_disturbs_no_request(
    site: Client, processor: type[Any], caplog: pytest.LogCaptureFixture
) -> None:
    spans = TracerProvider(shutdown_on_exit=False)
    spans.add_span_processor(processor(RaisingSpans()))
    reader = PeriodicExportingMetricReader(RaisingMetrics(), float("inf"))
    providers[:] = [spans, MeterProvider([reader], shutdown_on_exit=False)]

    pay_for(site, range(20))
    spans.force_flush()
    providers[1].force_flush()
    for each in providers:
        each.shutdown()
    assert "Exception while exporting Span" in "".join(lines_of(caplog, "opentelemetry"))
    assert [line for line in lines_of(caplog, "signal_tracer") if "failed" in line] == []


class RaisingProcessor(SpanProcessor):
    def on_end(self, span: Any) -> None:
        raise ValueError("no span today")


def test_what_raises_into_our_reporter_is_logged_once_and_the_metrics_are_kept(
    site: Client, caplog: pytest.LogCaptureFixture
) -> None:
    spans = TracerProvider(shutdown_on_exit=False)
    spans.add_span_processor(RaisingProcessor())
    reader = InMemoryMetricReader()
    providers[:] = [spans, MeterProvider([reader], shutdown_on_exit=False)]

    pay_for(site, range(20))
    (line,) = lines_of(caplog, "signal_tracer")
    assert line == (
        f"The reporter '{__name__}.report_spans' of SIGNAL_TRACER['REPORTERS'] failed; "
        "the request went on."
    )
    data = reader.get_metrics_data()
    assert data is not None
    (traces,) = [
        each
        for each in data.resource_metrics[0].scope_metrics[0].metrics
        if each.name == "django.signal.traces"
    ]
    assert [point.value for point in traces.data.data_points] == [20]


# What makes requests wait


def test_a_simple_processor_that_sends_is_warned_of_once(
    site: Client, caplog: pytest.LogCaptureFixture
) -> None:
    spans = TracerProvider(shutdown_on_exit=False)
    spans.add_span_processor(SimpleSpanProcessor(InMemorySpanExporter()))
    reporter = SpanReporter(tracer_provider=spans)
    with nobody_there() as url:
        exporter = OTLPSpanExporter(f"{url}/v1/traces", timeout=0.001)
        spans.add_span_processor(SimpleSpanProcessor(exporter))
        for _ in range(3):
            with trace_signals(reporters=[reporter]):
                paid.send("the shop", order=1)

    (line,) = lines_of(caplog, "signal_tracer")
    assert line == (
        "SimpleSpanProcessor exports within the request: with a trace of 100 spans, "
        "OTLPSpanExporter is waited for 100 times. Use BatchSpanProcessor; see "
        "docs/opentelemetry.md."
    )


@pytest.mark.parametrize(
    "processor",
    [
        SimpleSpanProcessor(InMemorySpanExporter()),
        SimpleSpanProcessor(ConsoleSpanExporter(out=io.StringIO())),
        RaisingProcessor(),
    ],
    ids=["memory", "console", "of-ones-own"],
)
def test_whatever_sends_nothing_is_not_warned_of(
    processor: Any, caplog: pytest.LogCaptureFixture
) -> None:
    spans = TracerProvider(shutdown_on_exit=False)
    spans.add_span_processor(processor)
    warn_of_blocking_exports(spans)
    assert lines_of(caplog, "signal_tracer") == []


@pytest.mark.parametrize(
    "provider", [NoOpTracerProvider(), object(), None], ids=["no-op", "object", "none"]
)
def test_a_provider_of_another_kind_is_no_reason_to_warn(
    provider: Any, caplog: pytest.LogCaptureFixture
) -> None:
    warn_of_blocking_exports(provider)
    assert lines_of(caplog, "signal_tracer") == []


# Processes of their own: their end, and forks

PROGRAM = """
import os, sys
from django.conf import settings
settings.configure()
import django
from django.dispatch import Signal
from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from signal_tracer import trace_signals
from signal_tracer.showing.export.opentelemetry import report

django.setup()
paid = Signal()


def receipt(**kwargs): ...


paid.connect(receipt)


def set_up():
    spans = TracerProvider()
    spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(sys.argv[1] + "/v1/traces")))
    trace.set_tracer_provider(spans)
    exporter = OTLPMetricExporter(sys.argv[1] + "/v1/metrics")
    metrics.set_meter_provider(MeterProvider([PeriodicExportingMetricReader(exporter)]))


def trace_one(name):
    with trace_signals(name, reporters=[report]):
        paid.send(None)


def in_child(work):
    pid = os.fork()
    if pid == 0:
        work()
        sys.exit()
    assert os.waitpid(pid, 0)[1] == 0
"""


class Received:
    """What arrived: the names of the outermost spans, and how many traces were counted where."""

    def __init__(self) -> None:
        self.roots: list[str] = []
        self.traces: list[int] = []

    def take_spans(self, spans: list[Arrived]) -> None:
        self.roots += [each.span.name for each in spans if not each.span.parent_span_id]

    def take_metrics(self, metrics: list[Any]) -> None:
        for metric in metrics:
            if metric.name == "django.signal.traces":
                self.traces += [point.as_int for point in metric.sum.data_points]


def run(program: str) -> Received:
    received = Received()
    collector = SmallCollector(received.take_spans, received.take_metrics).start()
    try:
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", PROGRAM + program, collector.url],
            cwd=ROOT,
            check=True,
            timeout=60,
        )
    finally:
        collector.stop()
    return received


def test_a_process_that_ends_sends_what_it_has() -> None:
    received = run("set_up()\ntrace_one('first')\ntrace_one('second')\n")

    assert received.roots == ["first", "second"]
    assert received.traces == [2]


def test_a_worker_that_sets_up_the_sdk_after_the_fork_sends_what_it_has_itself() -> None:
    received = run(
        """
trace_one("before anything is set up")

def work(name):
    set_up()
    trace_one(name)

in_child(lambda: work("first worker"))
in_child(lambda: work("second worker"))
"""
    )
    assert received.roots == ["first worker", "second worker"]
    assert received.traces == [1, 1]


def test_spans_of_a_worker_arrive_though_the_sdk_was_set_up_before_the_fork() -> None:
    received = run(
        """
set_up()
trace_one("parent")
in_child(lambda: trace_one("worker"))
"""
    )
    assert sorted(received.roots) == ["parent", "worker"]
    # The SDK copies its counts into the child, which is why it is to be set up after the fork.
    assert sorted(received.traces) == [1, 2]
