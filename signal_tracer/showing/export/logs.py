"""Log records of traces: one each, with its figures in ``extra`` for loggers that write JSON."""

from __future__ import annotations

import logging

from signal_tracer.findings.kinds import Level
from signal_tracer.printable import printable
from signal_tracer.showing.summaries import TraceSummary, Writable, in_one_line, summary_of
from signal_tracer.wording import format_duration

logger = logging.getLogger("signal_tracer.traces")

_LEVELS: dict[Level, int] = {
    "error": logging.ERROR,
    "warning": logging.WARNING,
    "info": logging.INFO,
}
# What has a key of its own, so that it can be searched for, summed up and alarmed on.
_COUNTED = (
    *("dispatches", "receiver_calls", "queries", "swallowed", "raised", "slow", "bypasses"),
    *("rolled_back", "unheard", "omitted", "faults"),
)


def report(trace: Writable) -> None:
    """For ``REPORTERS``: log one record on ``signal_tracer.traces``.

    Its level is that of the worst finding of the project: ``INFO`` where there is none, or one
    that is only good to know. Its message is one line for a person, and ``extra`` has the figures
    under keys that begin with ``signals_``; docs/apis-without-a-page.md lists them.
    """
    if not logger.isEnabledFor(logging.ERROR):
        return
    summary = summary_of(trace.frozen())
    level = _LEVELS[summary.of_project[0].level] if summary.of_project else logging.INFO
    message = f"{in_one_line(summary)} ({format_duration(summary.duration)})"
    logger.log(level, "%s", printable(message), extra=figures(summary))


def figures(summary: TraceSummary) -> dict[str, object]:
    """What ``extra`` holds: texts that are safe to print, numbers, and lists of texts."""
    told = {
        "signals_trace_id": summary.id,
        "signals_trace": summary.name,
        "signals_started_at": summary.started_at.isoformat(),
        "signals_duration_ms": round(summary.duration * 1000, 3),
        "signals_method": summary.method,
        "signals_path": summary.path,
        "signals_status": summary.status,
        "signals_state": summary.state,
        **{f"signals_{name}": summary.counts.get(name, 0) for name in _COUNTED},
        "signals_worst_level": summary.of_project[0].level if summary.of_project else None,
        "signals_findings": list(dict.fromkeys(each.slug for each in summary.of_project)),
    }
    return {
        name: printable(value) if isinstance(value, str) else value for name, value in told.items()
    }
