"""The place for the whole page of a trace: its head, findings, timeline and tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import cached_property
from typing import Any

from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import get_language_bidi

from signal_tracer.conf import read_config
from signal_tracer.findings import over_trace
from signal_tracer.panel import receivers
from signal_tracer.panel.advice import Advice, advise
from signal_tracer.panel.details import Details
from signal_tracer.panel.lines import Line, number, seconds_in_receivers, select
from signal_tracer.panel.places import Places
from signal_tracer.panel.timeline import Timeline
from signal_tracer.panel.words import duration, visible
from signal_tracer.records import Bypass, Unheard
from signal_tracer.showing.outline import count, outline
from signal_tracer.trace import Trace

# So many lines of a table are on the page; the others are one click further.
MAX_LINES = 100


def parts_of(request_id: str) -> str:
    """The address of more of a request's trace."""
    return reverse("djdt:signal_tracer_part", args=[request_id])


class Page:
    """What the panel and its views show of one trace.

    ``parts`` is the address of the view that gives more of it.
    """

    def __init__(self, trace: Trace, parts: str) -> None:
        self.trace = trace
        self.parts = parts
        self.places = Places(read_config().editor)
        self.lines: list[Line] = number(outline(trace))
        self.details = Details(self.places, parts)

    def timeline(self, name: str = "sigtr", *, is_flat: bool = False) -> Timeline:
        return Timeline(self.details, self.trace.duration, self.parts, name, is_flat)

    @cached_property
    def found(self) -> tuple[list[Advice], int]:
        """The findings, and how many are hidden by ``IGNORE_FINDINGS``."""
        found = over_trace(self.trace)
        rows: dict[int, int] = {}
        for line in self.lines:
            for record in line.row.records:
                rows.setdefault(id(record), line.number)
        return advise(found.shown, self.places, rows), len(found.hidden)

    @cached_property
    def bypasses(self) -> list[tuple[Line, Bypass]]:
        return [
            (line, line.row.record)
            for line in select(self.lines, "bypass")
            if isinstance(line.row.record, Bypass)
        ]

    @cached_property
    def unheard(self) -> list[Unheard]:
        """The most frequent first, and before them those that somebody nearly heard."""
        return sorted(
            self.trace.unheard, key=lambda each: (not each.near_misses, -each.count, each.signal)
        )

    def receivers(self, sort: str, limit: int = MAX_LINES) -> SafeString:
        added_up = receivers.add_up(self.trace.receiver_calls())
        return receivers.table(added_up, self.places, self.parts, sort=sort, limit=limit)

    def rows(
        self,
        lines: Sequence[Line],
        start: int = 0,
        name: str = "sigtr",
        *,
        is_flat: bool = False,
    ) -> dict[str, Any]:
        """What the template of a timeline needs to show ``lines`` from ``start`` on."""
        timeline = self.timeline(name, is_flat=is_flat)
        rows, shown = timeline.show(lines, start=start)
        indents = timeline.indents(lines)
        return {
            "rows": rows,
            "next": start + shown,
            "left": len(lines) - start - shown,
            "indents": range(indents),
            "name_columns": indents + 1,
            "columns": indents + 6,
        }

    def context(self) -> dict[str, Any]:
        """What the template of the panel is given."""
        trace = self.trace
        counts = count(trace)
        in_receivers = seconds_in_receivers(trace)
        findings, hidden = self.found
        receivers_called = len({call.receiver for call in trace.receiver_calls()})
        return {
            "parts": self.parts,
            "direction": "rtl" if get_language_bidi() else "ltr",
            "counts": asdict(counts),
            "request": trace.request,
            "path": visible(trace.request.path if trace.request else trace.name),
            "duration": duration(trace.duration),
            "time_in_receivers": duration(in_receivers),
            "share": round(100 * in_receivers / trace.duration) if trace.duration else 0,
            "slowest": self.slowest(),
            "slow_after": duration(trace.slow_after),
            "findings": findings[:MAX_LINES],
            "findings_left": max(0, len(findings) - MAX_LINES),
            "findings_hidden": hidden,
            "timeline": self.rows(self.lines) if self.lines else None,
            "receivers": self.receivers(receivers.SORTED_BY) if counts.receiver_calls else None,
            "receivers_called": receivers_called,
            "receivers_left": max(0, receivers_called - MAX_LINES),
            "bypasses": self.show_bypasses(self.bypasses[:MAX_LINES]),
            "bypasses_left": max(0, len(self.bypasses) - MAX_LINES),
            "unheard": self.show_unheard(self.unheard[:MAX_LINES]),
            "unheard_left": max(0, len(self.unheard) - MAX_LINES),
            "changes": self.show_changes()[:MAX_LINES],
            "changes_left": max(0, len(trace.connection_changes) - MAX_LINES),
            "unwatched": [
                (visible(f"{each.signal}.{each.method}"), each.count) for each in trace.unwatched
            ],
            "has_notes": bool(
                counts.omitted
                or counts.too_deep
                or counts.faults
                or trace.unwatched
                or counts.excluded
            ),
        }

    def slowest(self) -> dict[str, Any] | None:
        """The row with the most own time: where to look first when a page is slow."""
        calls = select(self.lines, "call")
        line = max(calls, key=lambda each: each.row.own_time, default=None)
        if line is None or not line.row.own_time:
            return None
        return {
            "number": line.number,
            "name": visible(line.row.title),
            "own_time": duration(line.row.own_time),
        }

    def show_bypasses(self, bypasses: Iterable[tuple[Line, Bypass]]) -> list[dict[str, Any]]:
        return [
            {
                "row": line.number,
                "model": visible(bypass.model),
                "method": visible(bypass.method),
                "options": visible(", ".join(bypass.options)),
                "count": line.row.count,
                "rows": bypass.rows,
                "place": self.places.show(bypass.sent_from),
                "skipped": [visible(each.receiver) for each in bypass.skipped[:20]],
                "skipped_left": max(0, len(bypass.skipped) - 20),
            }
            for line, bypass in bypasses
        ]

    def show_unheard(self, unheard: Iterable[Unheard]) -> list[dict[str, Any]]:
        return [
            {
                "signal": visible(each.signal),
                "sender": visible(each.sender),
                "count": each.count,
                "near_misses": [
                    (visible(miss.receiver), visible(miss.connected_to or ""), miss.reason)
                    for miss in each.near_misses
                ],
            }
            for each in unheard
        ]

    def show_changes(self) -> list[dict[str, Any]]:
        return [
            {
                "action": change.action,
                "signal": visible(change.signal),
                "receiver": visible(change.receiver),
                "sender": visible(change.sender),
                "after": duration(change.started_at),
                "place": self.places.show(change.called_from),
                "was_connected": change.was_connected,
            }
            for change in self.trace.connection_changes
        ]
