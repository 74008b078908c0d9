"""Spans: the dispatches and receiver calls of a trace, below what was traced there already."""

from __future__ import annotations

from opentelemetry import trace as opentelemetry

from signal_tracer.records import Recorded


def record(trace: Recorded) -> None:
    """Make spans of ``trace`` by the global tracer provider."""
    opentelemetry.get_tracer("signal_tracer")
