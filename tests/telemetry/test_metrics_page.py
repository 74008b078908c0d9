"""docs/opentelemetry.md on metrics, alerts and collectors that are away: its blocks run."""

from __future__ import annotations

import logging
import logging.config
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("opentelemetry.sdk")
from bad_collectors import nobody_there
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from signal_tracer import Trace
from signal_tracer.records import Bypass, Contents, Dispatch, ReceiverCall, Skipped
from signal_tracer.showing.export.opentelemetry import MetricReporter
from signal_tracer.showing.export.opentelemetry.metrics import MAX_PAIRS

PAGE = (Path(__file__).resolve().parents[2] / "docs/opentelemetry.md").read_text()


def section(title: str) -> str:
    found = PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]
    assert found, f"the page has no section {title}"
    return found


def blocks(title: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", section(title), re.MULTILINE | re.DOTALL)


@pytest.fixture
def metrics() -> dict[str, str]:
    """Every metric that there is, and its unit."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    bypass = Bypass("update", "shop.Order", 1, skipped=[Skipped("a", "b")])
    calls = [ReceiverCall("x.a")]
    contents = Contents(dispatches=[Dispatch("a", receiver_calls=calls)], bypasses=[bypass])
    trace = Trace("x", started_at=datetime(2026, 1, 2, tzinfo=UTC), contents=contents)
    MetricReporter(meter_provider=provider)(trace)
    data = reader.get_metrics_data()
    assert data is not None
    (scope,) = data.resource_metrics[0].scope_metrics
    return {metric.name: metric.unit for metric in scope.metrics}


def test_the_table_has_every_metric_with_its_unit(metrics: dict[str, str]) -> None:
    rows = re.findall(r"^\| `([\w.]+)` \| \w+, `(\S+)` \|", section("Metrics"), re.MULTILINE)
    assert dict(rows) == metrics
    assert f"first {MAX_PAIRS} pairs" in section("Metrics")


def test_queries_and_alerts_ask_for_metrics_that_there_are(metrics: dict[str, str]) -> None:
    known = {"django_signal_name", "django_signal_receiver"}
    for name, unit in metrics.items():
        name = name.replace(".", "_")
        known.add(f"{name}_seconds_bucket" if unit == "s" else f"{name}_total")
    asked = [
        *blocks("Metrics", "promql"),
        *blocks("Alert on a swallowed exception", "yaml"),
        *blocks("Alert on a swallowed exception", "promql"),
    ]
    assert len(asked) == 3
    for each in asked:
        assert set(re.findall(r"django_signal_\w+", each)) <= known
        assert each.count("(") == each.count(")")


def test_the_alert_is_a_file_of_rules() -> None:
    yaml = pytest.importorskip("yaml")
    (block,) = blocks("Alert on a swallowed exception", "yaml")
    (rule,) = yaml.safe_load(block)["groups"][0]["rules"]
    assert rule["alert"] == "ExceptionSwallowed"
    assert set(rule) == {"alert", "expr", "labels", "annotations"}


def test_the_reporter_of_ones_own_is_one() -> None:
    (block,) = blocks("Metrics", "python")
    names: dict[str, Any] = {}
    exec(block, names)
    assert type(names["count_signals"]) is MetricReporter


@pytest.fixture
def logging_put_back() -> Iterator[None]:
    logger = logging.getLogger("opentelemetry")
    handlers, propagate = [*logger.handlers], logger.propagate
    yield
    logger.handlers, logger.propagate = handlers, propagate


@pytest.mark.usefixtures("logging_put_back")
def test_the_filter_lets_the_sdk_say_each_thing_once(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    exec(blocks("When the collector is away", "python")[0], names)
    logging.config.dictConfig(names["LOGGING"])
    with nobody_there() as url:
        # With less than the second after which it would try again, it gives up at once.
        exporter = OTLPSpanExporter(f"{url}/v1/traces", timeout=0.2)
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(exporter))
        for _ in range(3):
            provider.get_tracer("x").start_span("x").end()
            provider.force_flush()
        provider.shutdown()
    assert capsys.readouterr().err.splitlines() == [
        "Failed to export spans batch due to timeout, max retries or shutdown."
    ]


@pytest.fixture
def set_up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The module that a project sets up its SDK in, and what was called there."""
    called: list[str] = []
    telemetry = ModuleType("telemetry")
    telemetry.set_up = lambda: called.append("set up")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "telemetry", telemetry)
    return called


def block_of(server: str) -> str:
    (found,) = [
        each
        for each in blocks("When the collector is away", "python")
        if each.startswith(f"# {server}")
    ]
    return found


def test_gunicorn_sets_up_each_worker_after_its_fork(set_up: list[str]) -> None:
    names: dict[str, Any] = {}
    exec(block_of("gunicorn"), names)
    assert set_up == []
    names["post_fork"](SimpleNamespace(), SimpleNamespace())
    assert set_up == ["set up"]


def test_celery_sets_up_each_child_after_its_fork_and_flushes_at_its_end(
    set_up: list[str],
) -> None:
    signals = pytest.importorskip("celery.signals")
    before = [*signals.worker_process_init.receivers], [*signals.worker_process_shutdown.receivers]
    try:
        exec(block_of("Celery"), {})
        assert set_up == []
        signals.worker_process_init.send(None)
        assert set_up == ["set up"]
        signals.worker_process_shutdown.send(None)
    finally:
        signals.worker_process_init.receivers, signals.worker_process_shutdown.receivers = before


def test_uwsgi_sets_up_each_worker_after_its_fork(
    set_up: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks: list[Any] = []
    decorators = ModuleType("uwsgidecorators")
    decorators.postfork = hooks.append  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "uwsgidecorators", decorators)
    exec(block_of("uWSGI"), {})
    assert set_up == []
    hooks[0]()
    assert set_up == ["set up"]
