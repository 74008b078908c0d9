"""A collector for one's own machine: takes OTLP over HTTP, and draws the spans that arrived.

    python example_site/small_collector.py [--port 4318]

Whatever exports to http://localhost:4318 is drawn in the console. Only what the demo needs of a
real one (Jaeger, the OpenTelemetry Collector): protobuf, spans and metrics, nothing is kept.
"""

from __future__ import annotations

import argparse
import gzip
import sys
import threading
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

HOST = "127.0.0.1"
PORT = 4318


@dataclass(frozen=True)
class Arrived:
    """A span, and which library made it."""

    span: Span
    scope: str
    version: str

    @property
    def attributes(self) -> dict[str, Any]:
        return plain(self.span.attributes)


class SmallCollector:
    """Listens on loopback from ``start()`` to ``stop()``; a port of 0 is any that is free.

    ``on_spans`` and ``on_metrics`` are given what one export brought, in a thread of the server.
    Raises ``OSError`` if the port is taken.
    """

    def __init__(
        self,
        on_spans: Callable[[list[Arrived]], object],
        on_metrics: Callable[[list[Metric]], object],
        port: int = 0,
    ) -> None:
        self.on_spans = on_spans
        self.on_metrics = on_metrics

        class Handler(_Handler):
            collector = self

        self._server = ThreadingHTTPServer((HOST, port), Handler)
        self._server.daemon_threads = True
        self.url = f"http://{HOST}:{self._server.server_address[1]}"

    def start(self) -> SmallCollector:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # Exporters keep their connection.
    collector: SmallCollector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            if self.path == "/v1/traces":
                spans = _spans_of(ExportTraceServiceRequest.FromString(body))
                self.collector.on_spans(list(spans))
                self._answer(200, ExportTraceServiceResponse().SerializeToString())
            elif self.path == "/v1/metrics":
                metrics = _metrics_of(ExportMetricsServiceRequest.FromString(body))
                self.collector.on_metrics(list(metrics))
                self._answer(200, ExportMetricsServiceResponse().SerializeToString())
            else:
                self._answer(404, b"")
        except (DecodeError, OSError, EOFError, zlib.error):  # The last three: that is no gzip.
            self._answer(400, b"")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Says nothing of each request: the console is for the spans."""


def _spans_of(request: ExportTraceServiceRequest) -> Iterator[Arrived]:
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Arrived(span, scope.scope.name, scope.scope.version)


def _metrics_of(request: ExportMetricsServiceRequest) -> Iterator[Metric]:
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            yield from scope.metrics


def plain(attributes: Iterable[KeyValue]) -> dict[str, Any]:
    """Attributes as a dict; of values that are lists or maps the text."""
    return {
        each.key: getattr(each.value, each.value.WhichOneof("value") or "string_value")
        for each in attributes
    }


# What is drawn


def draw(arrived: Iterable[Arrived]) -> str:
    """The spans, each below its parent and in the order in which they began.

    What stands at the top has no parent, or one that did not arrive with it.
    """
    spans = sorted(arrived, key=lambda each: each.span.start_time_unix_nano)
    here = {each.span.span_id for each in spans}
    below: dict[bytes, list[Arrived]] = defaultdict(list)
    for each in spans:
        parent = each.span.parent_span_id
        below[parent if parent in here else b""].append(each)
    lines = []
    waiting = [(each, "", "") for each in reversed(below[b""])]
    while waiting:
        each, branch, indent = waiting.pop()
        lines.append(f"{branch}{_title(each)}")
        nested = below[each.span.span_id]
        lines += [f"{indent}{'│' if nested else ' '}   ! {text}" for text in _events(each)]
        for number, child in enumerate(reversed(nested)):
            is_last = number == 0
            waiting.append(
                (
                    child,
                    f"{indent}{'└── ' if is_last else '├── '}",
                    f"{indent}{'    ' if is_last else '│   '}",
                )
            )
    return "\n".join(lines)


def _title(each: Arrived) -> str:
    span = each.span
    took = (span.end_time_unix_nano - span.start_time_unix_nano) / 1_000_000
    times = each.attributes.get("django.signal.count", 1)
    failed = "  ERROR" if span.status.code == Status.STATUS_CODE_ERROR else ""
    return f"{span.name}{f'  ×{times}' if times > 1 else ''}{failed}  {took:.1f} ms"


def _events(each: Arrived) -> Iterator[str]:
    for event in each.span.events:
        told = plain(event.attributes)
        about = [
            str(told[name]) for name in ("exception.type", "exception.message") if name in told
        ]
        yield f"{event.name}  {': '.join(about)}".rstrip()


def draw_metrics(metrics: Iterable[Metric], prefix: str = "django.signal.") -> str:
    """The figures of these names that are not 0, one a line; of a histogram how many values."""
    lines = []
    for metric in metrics:
        if metric.name.startswith(prefix):
            for point in metric.sum.data_points or metric.histogram.data_points:
                figure = point.as_int if metric.HasField("sum") else point.count
                about = "  ".join(str(value) for value in plain(point.attributes).values())
                if figure:
                    lines.append(f"{metric.name}  {figure}  {about}")
    return "\n".join(sorted(lines))


def main() -> None:
    parser = argparse.ArgumentParser(description="Draws the spans that arrive by OTLP over HTTP.")
    parser.add_argument("--port", type=int, default=PORT)
    port = parser.parse_args().port
    try:
        collector = SmallCollector(
            lambda spans: print(f"\n{draw(spans)}", flush=True), lambda metrics: None, port
        )
    except (OSError, OverflowError) as error:
        sys.exit(f"Port {port} on {HOST} cannot be used ({error}). Choose another: --port 4319")
    print(f"Drawing what arrives at {collector.url}. Stop with Control-C.", flush=True)
    collector.start()
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        collector.stop()


if __name__ == "__main__":
    main()
