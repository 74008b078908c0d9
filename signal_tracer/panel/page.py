"""The whole page of a trace: its head, findings, timeline and tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cached_property
from typing import Any, cast

from django.urls import reverse
from django.utils.translation import get_language_bidi

from signal_tracer.conf import read_config
from signal_tracer.findings import Finding, Found, over_trace
from signal_tracer.panel.advice import Advice, advise
from signal_tracer.panel.details import Details
from signal_tracer.panel.locations import Locations
from signal_tracer.panel.receivers import SORTED_BY, rank, table
from signal_tracer.panel.timeline import Timeline
from signal_tracer.panel.words import duration, gettext, in_words, visible
from signal_tracer.records import Bypass, ConnectionChange, ReceiverCall, Unheard
from signal_tracer.showing.facts import ALWAYS, Tally, count, facts_of_trace, notices, tallies
from signal_tracer.showing.receivers import add_up
from signal_tracer.showing.rows import Row, rows_of, seconds_in_receivers, select
from signal_tracer.trace import Trace

# So many lines of a table are on the page; the others are one click further.
MAX_LINES = 100
# Sent for each instance that is made, and seldom heard: what else is unheard is worth more.
OF_INSTANCES = frozenset(f"django.db.models.signals.{name}" for name in ("pre_init", "post_init"))
# So many names are in one line of a table; the others are in its row.
MAX_NAMES = 20


def parts_of(request_id: str) -> str:
    """The address of more of a request's trace."""
    return reverse("djdt:signal_tracer_part", args=[request_id])


# The page looked at last, by the id of its request: whoever looks at it goes on to its parts, and
# to read a full trace again takes longer than to open a row should.
_latest: dict[str, Page] = {}


def page_of(request_id: str, trace: Trace) -> Page:
    """The page of a request's trace, which is kept until another one is looked at."""
    page = Page(trace, parts_of(request_id))
    _latest.clear()
    _latest[request_id] = page
    return page


def latest_page(request_id: str) -> Page | None:
    """The page of a request, if it was looked at last and would look the same now."""
    page = _latest.get(request_id)
    return page if page and page.locations == Locations(read_config().editor) else None


class Page:
    """What the panel and its views show of one trace.

    ``parts`` is the address of the view that gives more of it.
    """

    def __init__(self, trace: Trace, parts: str) -> None:
        self.trace = trace
        self.parts = parts
        self.locations = Locations(read_config().editor)
        self.rows = rows_of(trace)
        self.details = Details(self.locations, parts)

    def timeline(self, name: str = "sigtr", *, is_flat: bool = False) -> Timeline:
        return Timeline(self.details, self.trace.duration, self.parts, name, is_flat)

    @cached_property
    def found(self) -> Found:
        return over_trace(self.trace)

    def listed(self, name: str, start: int = 0) -> dict[str, Any] | None:
        """What the template of a table needs to show its lines; ``None`` if it has none.

        Only what is shown is put into words: there may be thousands more.
        """
        records, show = self._tables[name]
        if start >= len(records):
            return None
        end = start + MAX_LINES
        return {
            "lines": [show(record) for record in records[start:end]],
            "more": f"{name}=all&from={end}",
            "left": max(0, len(records) - end),
            "parts": self.parts,
        }

    @cached_property
    def _tables(self) -> dict[str, tuple[Sequence[Any], Callable[[Any], Any]]]:
        return {
            "findings": (self.found.shown, self._finding),
            "bypasses": (self._bypasses, self._bypass),
            "unheard": (self._unheard, self._unheard_line),
            "changes": (self.trace.connection_changes, self._change),
        }

    @cached_property
    def _numbers(self) -> dict[int, int]:
        """The number of the row that shows a record, by the record's ``id()``."""
        numbers: dict[int, int] = {}
        for row in self.rows:
            for record in row.records:
                numbers.setdefault(id(record), row.number)
        return numbers

    def _finding(self, finding: Finding) -> Advice:
        return advise(finding, self.locations, self._numbers.get(id(finding.record)))

    @cached_property
    def _bypasses(self) -> list[tuple[Row, Bypass]]:
        return [
            (row, row.record)
            for row in select(self.rows, "bypass")
            if isinstance(row.record, Bypass)
        ]

    @cached_property
    def _unheard(self) -> list[Unheard]:
        """The most frequent first, before them those that somebody nearly heard, and those that
        are folded last."""
        return sorted(
            self.trace.unheard,
            key=lambda each: (
                *(_is_of_instances(each), not each.near_misses),
                *(-each.count, each.signal),
            ),
        )

    @cached_property
    def _unheard_of_instances(self) -> int:
        return sum(each.count for each in self.trace.unheard if _is_of_instances(each))

    def receivers(self, sort: str = SORTED_BY, start: int = 0) -> dict[str, Any] | None:
        """What the template of the receivers needs, the greatest of the column ``sort`` first."""
        ranked = rank(add_up(self.trace.receiver_calls()), sort)
        if start >= len(ranked):
            return None
        end = start + MAX_LINES
        shown = ranked[start:end]
        is_whole = len(shown) == len(ranked)
        return {
            "table": table(shown, self.locations, self.parts, sort, is_whole=is_whole),
            "more": f"sort={sort}&from={end}",
            "left": max(0, len(ranked) - end),
            "parts": self.parts,
        }

    def laid_out(
        self,
        rows: Sequence[Row],
        start: int = 0,
        name: str = "sigtr",
        *,
        is_flat: bool = False,
    ) -> dict[str, Any]:
        """What the template of a timeline needs to show ``rows`` from ``start`` on."""
        timeline = self.timeline(name, is_flat=is_flat)
        shown, number = timeline.show(rows, start=start)
        indents = timeline.indents(rows)
        return {
            "rows": shown,
            "next": start + number,
            "left": len(rows) - start - number,
            "indents": range(indents),
            "name_columns": indents + 1,
            "columns": indents + 6,
        }

    def context(self) -> dict[str, Any]:
        """What the template of the panel is given."""
        trace = self.trace
        counts = asdict(count(trace))
        in_receivers = seconds_in_receivers(trace.dispatches)
        told = list(notices(trace.contents, len(self.found.hidden)))
        return {
            "parts": self.parts,
            "direction": "rtl" if get_language_bidi() else "ltr",
            "counts": counts,
            "tallies": self._tallies(counts),
            "facts": [
                (gettext(fact.label), in_words(fact.value))
                for fact in facts_of_trace(trace.contents)
            ],
            "request": trace.request,
            "method": visible(trace.request.method) if trace.request else "",
            "path": visible(trace.request.path if trace.request else trace.name),
            "duration": duration(trace.duration),
            "time_in_receivers": duration(in_receivers),
            "share": round(100 * in_receivers / trace.duration) if trace.duration else 0,
            "slowest": self.slowest(),
            "slow_after": duration(trace.slow_from),
            "findings": self.listed("findings"),
            "timeline": self.laid_out(self.rows) if self.rows else None,
            "receivers": self.receivers(),
            "bypasses": self.listed("bypasses"),
            "unheard": self.listed("unheard"),
            "changes": self.listed("changes"),
            "alarms": [in_words(each.words) for each in told if each.is_alarm],
            "notices": [in_words(each.words) for each in told if not each.is_alarm],
        }

    def _tallies(self, counts: dict[str, int]) -> list[dict[str, Any]]:
        """The counts of the head, each with the part that shows what it counts, if any does."""
        kinds = {kind for row in self.rows for kind in row.kinds}

        def part(tally: Tally) -> str:
            if tally.only in kinds:
                return f"only={tally.only}"
            # What has no row was counted among the unheard.
            return "unheard=all" if tally.mark or tally.name == "unheard" else ""

        return [
            {
                "name": tally.name,
                "sign": tally.mark.sign if tally.mark else "",
                "text": in_words(tally.count),
                "is_loud": tally.name in ALWAYS or (tally.mark and tally.mark.tone == "trouble"),
                "part": part(tally),
            }
            for tally in tallies(counts)
        ]

    def slowest(self) -> dict[str, Any] | None:
        """The receiver with the most own time in all its calls, and the longest of its rows.

        Where to look first when a page is slow.
        """
        rows: dict[Any, list[Row]] = {}
        for each in select(self.rows, "call"):
            record = cast("ReceiverCall", each.record)
            rows.setdefault((record.receiver, record.defined_at), []).append(each)
        most = max(rows.values(), key=_own_time, default=[])
        row = max(most, key=lambda each: each.own_time, default=None)
        if row is None or not row.own_time:
            return None
        return {
            "number": row.number,
            "name": visible(str(row.title)),
            "own_time": duration(_own_time(most)),
        }

    def _bypass(self, shown: tuple[Row, Bypass]) -> dict[str, Any]:
        row, bypass = shown
        return {
            "row": row.number,
            "model": visible(bypass.model),
            "method": visible(bypass.method),
            "options": visible(", ".join(bypass.options)),
            "count": row.count,
            "rows": bypass.rows,
            "location": self.locations.show(bypass.sent_from),
            "skipped": [visible(each.receiver) for each in bypass.skipped[:MAX_NAMES]],
            "skipped_left": max(0, len(bypass.skipped) - MAX_NAMES),
        }

    def _unheard_line(self, unheard: Unheard) -> dict[str, Any]:
        return {
            "signal": visible(unheard.signal),
            "sender": visible(unheard.sender),
            "count": unheard.count,
            # How many are folded with this one, on this page or a later one.
            "of_instances": self._unheard_of_instances if _is_of_instances(unheard) else 0,
            "near_misses": [
                (visible(miss.receiver), visible(miss.connected_to or ""))
                for miss in unheard.near_misses
            ],
        }

    def _change(self, change: ConnectionChange) -> dict[str, Any]:
        return {
            "action": change.action,
            "signal": visible(change.signal),
            "receiver": visible(change.receiver),
            "sender": visible(change.sender),
            "after": duration(change.started_at),
            "location": self.locations.show(change.called_from),
            "was_connected": change.was_connected,
            "held_by": visible(change.held_by or ""),
        }


def _own_time(rows: list[Row]) -> float:
    return sum(row.own_time for row in rows)


def _is_of_instances(unheard: Unheard) -> bool:
    return unheard.signal in OF_INSTANCES and not unheard.near_misses
