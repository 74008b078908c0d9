"""Settings of the example site as ``soak_workers.py`` serves it, read from its environment.

``SOAK_REPORTERS``: dotted paths, by spaces. ``SOAK_RATE``: the share of requests that are traced.
``SOAK_FOLDER``: for files. ``SOAK_OTLP``: where spans and metrics go, if anywhere.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from config.settings import *  # noqa: F403
from config.settings import DATABASES, MIDDLEWARE

FOLDER = Path(os.environ["SOAK_FOLDER"])
NAMES = os.environ["SOAK_REPORTERS"].split()

DEBUG = False
ALLOWED_HOSTS = ["*"]
# The URLconf names the toolbar, which needs its app.
MIDDLEWARE = [each for each in MIDDLEWARE if not each.startswith("debug_toolbar")]
# Several processes write to one file.
DATABASES = {
    "default": {
        **DATABASES["default"],
        "OPTIONS": {
            "timeout": 60,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA synchronous=OFF; PRAGMA journal_mode=WAL;",
        },
    }
}
SIGNAL_TRACER = {
    "ENABLED": True,
    "SAMPLE_RATE": float(os.environ["SOAK_RATE"]),
    "REPORTERS": [f"{__name__}.report_{number}" for number in range(len(NAMES))],
}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "level": "WARNING"},
        "traces": {"class": "logging.FileHandler", "filename": FOLDER / "traces.log"},
    },
    "root": {"handlers": ["stderr"]},
    "loggers": {
        # Its log of what send_robust() swallowed, which the scenarios do on purpose.
        "django.dispatch": {"propagate": False},
        "signal_tracer.traces": {"level": "INFO", "handlers": ["traces"], "propagate": False},
    },
}


def count(what: str, times: int = 1) -> None:
    """A byte each in a file of this process."""
    with open(FOLDER / f"{what}-{os.getpid()}", "ab") as file:
        file.write(b"." * times)


class Counted:
    """A reporter, and how many traces it has taken."""

    def __init__(self, name: str, report: Any) -> None:
        self._name = name
        self._report = report

    def __call__(self, trace: Any) -> None:
        self._report(trace)
        count(self._name)


class CountedAlong(Counted):
    """One that goes along with each trace."""

    def accompany(self) -> Counted:
        companion = self._report.accompany()
        counted = Counted(self._name, companion)
        counted.begun = companion.begun  # type: ignore[attr-defined]
        return counted


def __getattr__(name: str) -> Any:
    """The reporters, when they are looked up: they may need the settings."""
    if name == "trace_file":
        from signal_tracer.showing.export.json_lines import TraceFile

        found: Any = TraceFile(FOLDER / "traces.jsonl", max_bytes=20_000_000, keep=1_000)
    elif name.startswith("report_"):
        from django.utils.module_loading import import_string

        number = name.removeprefix("report_")
        report = import_string(NAMES[int(number)])
        kind = CountedAlong if hasattr(type(report), "accompany") else Counted
        found = kind(f"taken-{number}", report)
    else:
        raise AttributeError(name)
    globals()[name] = found
    return found


def set_up_opentelemetry(address: str) -> None:
    """The SDK as in production, and a count of the spans that have ended."""
    from opentelemetry import metrics, trace
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    class Counting(SpanProcessor):
        def on_end(self, span: Any) -> None:
            count("spans")

    process = Resource.create({"service.name": "soak", "service.instance.id": str(os.getpid())})
    spans = TracerProvider(resource=process)
    spans.add_span_processor(Counting())
    exporter = OTLPSpanExporter(f"{address}/v1/traces")
    spans.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=20_000))
    trace.set_tracer_provider(spans)
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{address}/v1/metrics"), 5_000)
    metrics.set_meter_provider(MeterProvider([reader], resource=process))


if address := os.environ.get("SOAK_OTLP"):
    set_up_opentelemetry(address)
