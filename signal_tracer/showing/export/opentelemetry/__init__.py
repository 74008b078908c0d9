"""OpenTelemetry's spans and metrics of finished traces: reporters for ``REPORTERS``."""

from __future__ import annotations

try:
    import opentelemetry.trace  # noqa: F401  # to say at once what is missing
except ImportError as error:
    raise ImportError(
        "signal_tracer.showing.export.opentelemetry needs OpenTelemetry's API, which cannot be "
        f"imported ({error}). Install it: pip install 'django-signal-tracer[opentelemetry]'."
    ) from error

from signal_tracer.records import Recorded
from signal_tracer.showing.export.opentelemetry import metrics, spans

__all__ = ["report", "report_metrics", "report_spans"]


def report(trace: Recorded) -> None:
    """Spans and metrics of the finished ``trace``."""
    report_spans(trace)
    report_metrics(trace)


def report_spans(trace: Recorded) -> None:
    """Spans only."""
    spans.record(trace)


def report_metrics(trace: Recorded) -> None:
    """Metrics only."""
    metrics.record(trace)
