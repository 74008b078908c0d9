"""The whole page of a trace: its head, findings, timeline and tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from functools import cached_property
from typing import Any, Literal, cast

from django.urls import reverse
from django.utils.translation import get_language_bidi

from signal_tracer.comparing import compare
from signal_tracer.conf import read_config
from signal_tracer.findings import Finding, Found, over_trace
from signal_tracer.findings.remarks import Remark, key_of
from signal_tracer.panel.advice import Advice, advise
from signal_tracer.panel.details import Details
from signal_tracer.panel.differences import differences_context, sign
from signal_tracer.panel.locations import Locations
from signal_tracer.panel.receivers import SORTED_BY, rank, table
from signal_tracer.panel.timeline import Timeline, beside_of
from signal_tracer.panel.words import counted, dotted, duration, gettext, in_words, visible
from signal_tracer.records import Bypass, ConnectionChange, Dispatch, ReceiverCall, Unheard
from signal_tracer.showing.facts import (
    ALWAYS,
    Arguments,
    InPackage,
    Tally,
    count,
    facts_of_trace,
    mark_of,
    notices,
    tallies,
)
from signal_tracer.showing.project_only import project_only
from signal_tracer.showing.receivers import add_up
from signal_tracer.showing.rows import Row, rows_of, seconds_in_receivers, select
from signal_tracer.trace import Trace

# So many lines of a table are on the page; the others are one click further.
MAX_LINES = 100
# Sent for each instance that is made, and seldom heard: what else is unheard is worth more.
OF_INSTANCES = frozenset(f"django.db.models.signals.{name}" for name in ("pre_init", "post_init"))
# What the head says in bold, beside what went wrong.
LOUD = (*ALWAYS, "findings")
# Only the project's, with what packages heard in one row a package; or all there are.
View = Literal["own", "all"]
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
        self.texts: dict[int, str] = {}
        self.details = Details(self.locations, parts)

    def timeline(self, name: str = "sigtr", *, is_flat: bool = False) -> Timeline:
        return Timeline(self.details, self.trace.duration, self.parts, name, is_flat)

    @cached_property
    def own_rows(self) -> list[Row]:
        """Only the project's; rows that stay have the same number in all."""
        return project_only(self.rows, self.trace.contents, self.trace.slow_from)

    @cached_property
    def _packages(self) -> dict[int, Row]:
        return {row.number: row for row in self.own_rows if row.kind == "package"}

    def rows_in_view(self, view: View) -> list[Row]:
        return self.rows if view == "all" else self.own_rows

    def row(self, number: int) -> Row | None:
        """The row of that number, in whichever view it is."""
        return self.rows[number] if number < len(self.rows) else self._packages.get(number)

    def rows_in(self, package: Row) -> list[Row]:
        """All that the row of a package stands for, with the dispatches around that."""
        record = cast("InPackage", package.record)
        found: set[int] = set()
        for each in (*record.calls, *record.bypasses):
            row: Row | None = self.rows[self._numbers[id(each)]]
            while row is not None and row.number not in found:
                found.add(row.number)
                row = row.above
        return [self.rows[number] for number in sorted(found)]

    def find(self, view: View, words: Iterable[str], kind: str = "") -> list[int]:
        """The numbers of the rows with all ``words``, in names, arguments, errors or marks."""
        wanted = [word.casefold() for word in words]
        return [
            row.number
            for row in self.rows_in_view(view)
            if (not kind or kind in row.kinds) and all(word in self._text(row) for word in wanted)
        ]

    def _text(self, row: Row) -> str:
        """What a row says of itself in a line, and for a package's all that it stands for."""
        if row.number not in self.texts:
            if row.kind == "package":
                inside = " ".join(map(self._text, self.rows_in(row)))
                self.texts[row.number] = f"{row.title} {inside}".casefold()
            else:
                others = (each for each in row.records[1:] if isinstance(each, Dispatch))
                marks = (f"{mark} {gettext(mark_of(mark).word)}" for mark in row.marks)
                facts = (fact.value for fact in row.facts if fact.where == "line")
                arguments = (Arguments(each.kwargs) for each in others)
                said = (row.title, *beside_of(row), *marks, *facts, *arguments)
                self.texts[row.number] = " ".join(map(str, said)).casefold()
        return self.texts[row.number]

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
            "findings": (self._findings, self._finding),
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

    def since(self, former: Trace, asked: str, start: int = 0) -> dict[str, Any] | None:
        """What the template of differences needs to show what has come since a former trace.

        ``asked``: what was asked for to get them. ``None`` where there is none from ``start`` on.
        """
        difference = compare(former, self.trace)
        context = differences_context(difference, self.locations, self.parts, asked, start)
        if context is None or start:
            return context
        gone = _those(difference.gone, over_trace(former).shown)
        findings = [
            *(
                (sign("+"), self._finding(each))
                for each in _those(difference.new, self.found.shown)
            ),
            *((sign("-"), advise(each, self.locations)) for each in gone),
        ]
        return {**context, "findings": findings}

    @cached_property
    def _findings(self) -> list[Finding]:
        """Those that are folded away last: the project's for information, then packages'."""
        return sorted(self.found.shown, key=lambda each: each.level == "info")

    def _finding(self, finding: Finding) -> Advice:
        row = self._numbers.get(id(finding.record))
        return advise(finding, self.locations, row, self._fold(finding))

    def _fold(self, finding: Finding) -> str:
        """What it is folded away under; nothing, if it is to be seen."""
        if finding.level != "info":
            return ""
        return self._fold_of_packages if not finding.is_projects else self._fold_of_project

    @cached_property
    def _fold_of_project(self) -> str:
        number = len(self.found.of_project) - len(self.found.serious)
        return counted("%(number)s for information", "%(number)s for information", number)

    @cached_property
    def _fold_of_packages(self) -> str:
        infos = [each for each in self.found.of_packages if each.level == "info"]
        packages = Counter(each.owner.name for each in infos).most_common()
        return gettext("%(number)s in installed packages: %(packages)s") % {
            "number": len(infos),
            "packages": ", ".join(f"{visible(name)} {number}" for name, number in packages),
        }

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
        asked: str = "",
    ) -> dict[str, Any]:
        """What the template of a timeline needs to show ``rows`` from ``start`` on.

        ``asked`` is what was asked for to get them, so that the rest can be.
        """
        timeline = self.timeline(name, is_flat=is_flat)
        shown, number = timeline.show(rows, start=start)
        indents = timeline.indents(rows)
        return {
            "rows": shown,
            "next": start + number,
            "left": len(rows) - start - number,
            "asked": asked,
            "parts": self.parts,
            "indents": range(indents),
            "name_columns": indents + 1,
            "columns": indents + 6,
        }

    def context(self) -> dict[str, Any]:
        """What the template of the panel is given."""
        trace = self.trace
        counts = {**asdict(count(trace)), "findings": len(self.found.serious)}
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
            "timeline": self.laid_out(self.own_rows) if self.rows else None,
            "views": {"own": len(self.own_rows), "all": len(self.rows)} if self._packages else None,
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
            if tally.name == "findings":
                return "findings=all"
            # What has no row was counted among the unheard.
            return "unheard=all" if tally.mark or tally.name == "unheard" else ""

        return [
            {
                "name": tally.name,
                "sign": tally.mark.sign if tally.mark else "",
                "text": in_words(tally.count),
                "is_loud": tally.name in LOUD or (tally.mark and tally.mark.tone == "trouble"),
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
            "signal": dotted(unheard.signal),
            "signal_name": unheard.signal,
            "sender": dotted(unheard.sender),
            "count": unheard.count,
            "location": self.locations.show(unheard.sent_from) if unheard.sent_from else "",
            # How many are folded with this one, on this page or a later one.
            "of_instances": self._unheard_of_instances if _is_of_instances(unheard) else 0,
            "near_misses": [
                (
                    visible(miss.receiver),
                    visible(miss.connected_to or ""),
                    miss.reason,
                )
                for miss in unheard.near_misses
            ],
        }

    def _change(self, change: ConnectionChange) -> dict[str, Any]:
        return {
            "action": change.action,
            "signal": dotted(change.signal),
            "receiver": dotted(change.receiver),
            "sender": visible(change.sender),
            "after": duration(change.started_at),
            "location": self.locations.show(change.called_from),
            "was_connected": change.was_connected,
            "held_by": visible(change.held_by or ""),
        }


def _those(remarks: Iterable[Remark], findings: Iterable[Finding]) -> list[Finding]:
    """The findings that are remarked on: they can be put into words of another language."""
    by_key = {key_of(each.slug, each.names): each for each in reversed([*findings])}
    return [by_key[each.key] for each in remarks]


def _own_time(rows: list[Row]) -> float:
    return sum(row.own_time for row in rows)


def _is_of_instances(unheard: Unheard) -> bool:
    return unheard.signal in OF_INSTANCES and not unheard.near_misses
