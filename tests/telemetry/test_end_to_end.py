"""The example site with the real SDK: what is sent arrives, and is drawn as docs/ shows it."""

from __future__ import annotations

import gzip
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

pytest.importorskip("opentelemetry.proto")
pytest.importorskip("opentelemetry.instrumentation.django")
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

import signal_tracer
from small_collector import Arrived, SmallCollector, draw

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/opentelemetry.md").read_text()
END_TO_END = PAGE.partition("## See it end to end\n")[2].partition("\n## ")[0]


def observed(data: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "example_site/observe.py", "--once", *options],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "EXAMPLE_SITE_DATA": str(data),
            "PYTHONIOENCODING": "utf-8",
        },
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def without_times(text: str) -> list[str]:
    return [re.sub(r"  \d+\.\d ms$", "", line) for line in text.strip().splitlines()]


def test_the_script_draws_the_spans_and_metrics_that_the_page_shows(tmp_path: Path) -> None:
    ended = observed(tmp_path, "--port", "0")
    assert ended.returncode == 0, ended.stderr
    _, tree, metrics = ended.stdout.split("\n\n")
    in_page = re.findall(r"^```text\n(.*?)^```", END_TO_END, re.MULTILINE | re.DOTALL)

    assert [without_times(tree), without_times(metrics)[1:]] == [*map(without_times, in_page)]
    assert without_times(tree)[-1].endswith(
        "! exception  notifications.sms.SmsGatewayError: "
        "the SMS gateway answered 503 Service Unavailable for +44 7700 900123"
    )


def test_the_script_sends_to_the_collector_that_it_is_told(tmp_path: Path) -> None:
    spans: list[Arrived] = []
    metrics: list[Any] = []
    collector = SmallCollector(spans.extend, metrics.extend).start()
    try:
        ended = observed(tmp_path, "--port", "0", "--endpoint", f"{collector.url}/")
    finally:
        collector.stop()

    assert ended.returncode == 0, ended.stderr
    ours = [each for each in spans if each.scope == "signal_tracer"]
    assert {each.version for each in ours} == {signal_tracer.__version__}
    (server,) = [each.span for each in spans if each.span.name == "POST checkout/"]
    assert {each.span.trace_id for each in ours} == {server.trace_id}
    assert "django.signal.receiver.swallowed" in {each.name for each in metrics}
    assert "└──" not in ended.stdout


def test_a_taken_port_is_named_with_the_way_out(tmp_path: Path) -> None:
    with socket.socket() as other_program:
        other_program.bind(("127.0.0.1", 0))
        other_program.listen()
        port = other_program.getsockname()[1]
        for script in ("example_site/observe.py", "example_site/small_collector.py"):
            ended = subprocess.run(
                [sys.executable, script, "--port", str(port)],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), "EXAMPLE_SITE_DATA": str(tmp_path)},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert ended.returncode == 1, script
            assert f"Port {port} on 127.0.0.1 cannot be used" in ended.stderr
            assert "Traceback" not in ended.stderr


def test_the_compose_file_of_the_page_is_the_one_beside_it() -> None:
    compose = (ROOT / "docs/compose.opentelemetry.yaml").read_text()
    (in_page,) = re.findall(r"^```yaml\n(.*?)^```", END_TO_END, re.MULTILINE | re.DOTALL)
    assert in_page == compose
    assert re.findall(r"^    image: (\S+):", compose, re.MULTILINE) == [
        "jaegertracing/jaeger",
        "grafana/otel-lgtm",
    ]


# The small collector


def span(name: str, number: int, parent: int = 0, **rest: Any) -> Arrived:
    return Arrived(
        Span(
            name=name,
            span_id=bytes([number]),
            parent_span_id=bytes([parent]) if parent else b"",
            start_time_unix_nano=number * 1_000_000,
            end_time_unix_nano=number * 1_000_000 + 1_500_000,
            **rest,
        ),
        "a library",
        "1",
    )


def test_spans_are_drawn_below_their_parents_in_the_order_in_which_they_began() -> None:
    failed = Status(code=Status.STATUS_CODE_ERROR)
    told = [
        KeyValue(key="exception.type", value=AnyValue(string_value="ValueError")),
        KeyValue(key="exception.message", value=AnyValue(string_value="no")),
    ]
    event = Span.Event(name="exception", attributes=told)
    count = KeyValue(key="django.signal.count", value=AnyValue(int_value=3))
    arrived = [
        span("last", 7, 1),
        span("root", 1),
        span("first", 2, 1, attributes=[count]),
        span("fails", 3, 2, status=failed, events=[event]),
        span("parent did not arrive", 9, 99),
    ]
    assert draw(arrived).splitlines() == [
        "root  1.5 ms",
        "├── first  ×3  1.5 ms",
        "│   └── fails  ERROR  1.5 ms",
        "│           ! exception  ValueError: no",
        "└── last  1.5 ms",
        "parent did not arrive  1.5 ms",
    ]


BATCH = ExportTraceServiceRequest(
    resource_spans=[
        ResourceSpans(
            scope_spans=[
                ScopeSpans(
                    scope=InstrumentationScope(name="a library", version="1"),
                    spans=[Span(name="sent", span_id=b"1")],
                )
            ]
        )
    ]
).SerializeToString()


@pytest.mark.parametrize(
    ("path", "body", "encoding", "answer"),
    [
        ("/v1/traces", BATCH, "identity", 200),
        ("/v1/traces", gzip.compress(BATCH), "gzip", 200),
        ("/v1/traces", BATCH, "gzip", 400),
        ("/v1/traces", gzip.compress(BATCH)[:20], "gzip", 400),
        ("/v1/traces", b"\xff\xff", "identity", 400),
        ("/v1/metrics", b"\xff\xff", "identity", 400),
        ("/v1/logs", BATCH, "identity", 404),
    ],
    # Not after the bytes: what is compressed holds the time.
    ids=["traces", "gzip", "no gzip", "cut off", "rubbish", "rubbish metrics", "logs"],
)
def test_the_small_collector_takes_protobuf_and_refuses_the_rest(
    path: str, body: bytes, encoding: str, answer: int
) -> None:
    arrived: list[Arrived] = []
    collector = SmallCollector(arrived.extend, lambda metrics: None).start()
    request = Request(f"{collector.url}{path}", body, {"Content-Encoding": encoding})
    try:
        with urlopen(request, timeout=60) as answered:
            status = answered.status
    except HTTPError as error:
        status = error.code
        error.close()
    finally:
        collector.stop()
    assert status == answer
    assert [each.span.name for each in arrived] == (["sent"] if answer == 200 else [])
