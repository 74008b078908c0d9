"""A receiver of OTLP over HTTP, which keeps the spans that arrive, and draws them as a tree."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from operator import attrgetter
from typing import Any


@dataclass
class Arrived:
    """A span as it arrived."""

    name: str
    trace: str
    id: str
    parent: str
    start: int
    end: int
    kind: int
    status: int
    message: str
    attributes: dict[str, Any]
    events: list[tuple[str, dict[str, Any], int]]
    scope: tuple[str, str]
    schema: str
    service: str

    @property
    def is_ours(self) -> bool:
        return self.scope[0] == "signal_tracer"


@dataclass
class Collector:
    url: str = ""
    encodings: set[str | None] = field(default_factory=set)
    spans: list[Arrived] = field(default_factory=list)

    def by_trace(self) -> dict[str, list[Arrived]]:
        found: dict[str, list[Arrived]] = {}
        for span in self.spans:
            found.setdefault(span.trace, []).append(span)
        return found


def trees(
    spans: list[Arrived],
    *,
    by: str = "start",
    only_ours: bool = False,
    line: Callable[[Arrived], str] = attrgetter("name"),
) -> list[str]:
    """A line for each span, two spaces a level, siblings by their starts or names.

    ``only_ours``: those, and the roots.
    """
    known = {span.id for span in spans}
    below: dict[str, list[Arrived]] = {}
    for span in sorted(spans, key=attrgetter(by)):
        below.setdefault(span.parent if span.parent in known else "", []).append(span)

    def lines(id_: str, depth: int) -> Iterator[str]:
        for span in below.get(id_, []):
            if span.is_ours or not only_ours or not depth:
                yield f"{'  ' * depth}{line(span)}"
            yield from lines(span.id, depth + 1)

    return list(lines("", 0))


def decoded(body: bytes) -> list[Arrived]:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    found = []
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                found.append(
                    Arrived(
                        span.name,
                        span.trace_id.hex(),
                        span.span_id.hex(),
                        span.parent_span_id.hex(),
                        span.start_time_unix_nano,
                        span.end_time_unix_nano,
                        span.kind,
                        span.status.code,
                        span.status.message,
                        _values(span.attributes),
                        [(e.name, _values(e.attributes), e.time_unix_nano) for e in span.events],
                        (scope.scope.name, scope.scope.version),
                        scope.schema_url,
                        _values(resource.resource.attributes)["service.name"],
                    )
                )
    return found


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: _value(each.value) for each in attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    found = getattr(value, kind)
    return [_value(each) for each in found.values] if kind == "array_value" else found


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector at a port of its own."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            encoding = self.headers["Content-Encoding"]
            collector.encodings.add(encoding)
            if encoding == "gzip":
                body = gzip.decompress(body)
            if self.path == "/v1/traces":
                collector.spans += decoded(body)
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    collector.url = f"http://127.0.0.1:{server.server_port}"
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        serving.join()
