"""Keeps what the middleware traced, for visit.py."""

from signal_tracer import Trace

traces: list[Trace] = []


def keep(trace: Trace) -> None:
    traces.append(trace)
