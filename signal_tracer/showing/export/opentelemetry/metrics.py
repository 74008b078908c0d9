"""Metrics: what alarms count, by receiver and signal."""

from __future__ import annotations

from signal_tracer.records import Recorded


def record(trace: Recorded) -> None:
    """Add what happened in ``trace`` to the instruments of the global meter provider."""
