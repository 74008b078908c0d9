"""OpenTelemetry's spans and metrics of finished traces: reporters for ``REPORTERS``."""

from __future__ import annotations

try:
    import opentelemetry.trace  # noqa: F401  # to say at once what is missing
except ImportError as error:
    raise ImportError(
        "signal_tracer.showing.export.opentelemetry needs OpenTelemetry's API, which cannot be "
        f"imported ({error}). Install it: pip install 'django-signal-tracer[opentelemetry]'."
    ) from error

from collections.abc import Callable

from signal_tracer.records import Recorded
from signal_tracer.showing.export.opentelemetry import metrics
from signal_tracer.showing.export.opentelemetry.metrics import MetricReporter
from signal_tracer.showing.export.opentelemetry.spans import Accompanying, SpanReporter

__all__ = ["MetricReporter", "SpanReporter", "report", "report_metrics", "report_spans"]


class _Report:
    """Spans and metrics of each trace."""

    def accompany(self) -> Callable[[Recorded], None]:
        return _AccompanyingBoth(report_spans.accompany())

    def __call__(self, trace: Recorded) -> None:
        _both(report_spans, trace)


class _AccompanyingBoth:
    def __init__(self, spans: Accompanying) -> None:
        self._spans = spans
        self.begun = spans.begun

    def __call__(self, trace: Recorded) -> None:
        _both(self._spans, trace)


def _both(spans: Callable[[Recorded], None], trace: Recorded) -> None:
    try:
        spans(trace)
    finally:
        report_metrics(trace)


report_spans = SpanReporter()
report_metrics = metrics.record
report = _Report()
