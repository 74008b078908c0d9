"""The rows of the timeline: one ``<tbody>`` each, with a bar on the time axis.

Made of the toolbar's switches and classes, table columns and SVG attributes, which work under
every Content-Security-Policy. Whatever asks for more is a link that the toolbar's own script
opens in a window, and that ours opens in place.

Written in Python and not as a template, which takes ten times as long for a thousand rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

from signal_tracer.panel.details import Details
from signal_tracer.panel.words import dotted, duration, gettext, in_words, joined, mark, text
from signal_tracer.records import Bypass, Error, OnCommit, ReceiverCall
from signal_tracer.showing.facts import Fact, InPackage, mark_of
from signal_tracer.showing.rows import Row

# Bytes of HTML that a browser opens gladly: of rows, and of details that come with their row.
# Rows beyond that are one click further; details are fetched when they are opened.
ROWS_BUDGET = 600_000
DETAILS_BUDGET = 250_000

# Deeper rows are indented, and folded, like one of this depth, so that a recursion does not push
# all else out of sight.
MAX_INDENT = 12

# When the toolbar shows the rows below a row again, it gives the first switch in each the sign of
# being open: that must not be the one of the details.
FIRST_SWITCH = '<i class="djToggleSwitch" hidden></i>'

OWN = "#2f8f5b"
NESTED = "#8495a8"
WRONG = "#c4432b"


@dataclass(frozen=True, slots=True)
class Timeline:
    """Lays rows out; ``axis`` is the number of seconds from the left to the right.

    ``name`` begins every id, so that the rows of a window are not taken for those of the panel.
    ``is_flat`` is for a selection, whose rows do not hang below one another.
    """

    details: Details
    axis: float
    parts: str
    name: str = "sigtr"
    is_flat: bool = False
    about: str = field(init=False, default_factory=lambda: escape(gettext("Details")))
    nested: str = field(init=False, default_factory=lambda: escape(gettext("Nested rows")))

    def show(self, rows: Sequence[Row], *, start: int = 0) -> tuple[SafeString, int]:
        """The rows from ``start`` on, as many as are good for a browser, and how many that is."""
        indents = self.indents(rows)
        shown: list[SafeString] = []
        size = details_size = 0
        for each in rows[start:]:
            details = None
            if details_size < DETAILS_BUDGET:
                details = self.details.show(each)
                details_size += len(details)
                if details_size > DETAILS_BUDGET:
                    details = None
            row = self.row(each, indents, details)
            size += len(row) - len(details or "")
            if shown and size > ROWS_BUDGET:
                break
            shown.append(row)
        return joined(shown), len(shown)

    def indents(self, rows: Iterable[Row]) -> int:
        """How many narrow columns there are before the one of the names."""
        if self.is_flat:
            return 0
        return max((min(row.depth, MAX_INDENT) for row in rows), default=0)

    def row(self, row: Row, indents: int, details: SafeString | None) -> SafeString:
        """``details`` is ``None`` if they are to be fetched."""
        number = row.number
        depth = 0 if self.is_flat else min(row.depth, MAX_INDENT)
        above = [] if self.is_flat else [each.number for each in row.rows_above()[:MAX_INDENT]]
        folds = bool(row.rows) and not self.is_flat and row.depth < MAX_INDENT
        own_time = duration(row.own_time) if row.kind in ("call", "package") else ""
        ran = _span(row)
        span = indents - depth + 1
        cells = [
            '<td class="djdt-toggle">',
            FIRST_SWITCH if above else "",
            self._switch(number, is_fetched=details is None),
            "</td>",
            f'<td colspan="{depth}"></td>' if depth else "",
            f'<td class="djDebugSql"{_attribute("colspan", span if span > 1 else "")}>',
            self._button("f", number, "-", self.nested) + "&nbsp;" if folds else "",
            _name(row),
            f"{_error(row)}</td>",
            f'<td class="sigtr-bar">{_bars(row, ran, self.axis) if ran else ""}</td>',
            f'<td class="djdt-time">{row.query_count_with_nested or ""}</td>',
            f'<td class="djdt-time">{duration(row.duration) if ran else ""}</td>',
            f'<td class="djdt-time">{own_time}</td>',
        ]
        folded_by = " ".join(f"djToggleDetails_f{each}" for each in above)
        return mark_safe(
            f'<tbody id="{self.name}_{number}"{_attribute("class", folded_by)}>'
            f"<tr{_attribute('id', f'{self.name}_f{number}' if folds else '')}"
            f"{_attribute('class', 'djDebugRowWarning' if 'SLOW' in row.marks else '')}>"
            f"{''.join(cells)}</tr>"
            f"{'' if details is None else self.opened(row, indents, details)}</tbody>"
        )

    def _switch(self, number: int, *, is_fetched: bool) -> str:
        if is_fetched:
            return (
                f'<a class="remoteCall" href="{self.parts}?row={number}" title="{self.about}">+</a>'
            )
        return self._button("d", number, "+", self.about)

    def _button(self, letter: str, number: int, sign: str, title: str) -> str:
        return (
            f'<button class="djToggleSwitch" data-toggle-name="{self.name}" '
            f'data-toggle-id="{letter}{number}" title="{title}">{sign}</button>'
        )

    def opened(self, row: Row, indents: int, details: SafeString) -> SafeString:
        """The table row that the switch of a row shows and hides."""
        return format_html(
            '<tr id="{0}_d{1}" class="djUnselected djToggleDetails_d{1}"><td></td>'
            '<td colspan="{2}">{3}</td></tr>',
            self.name,
            row.number,
            indents + 5,  # all columns but the switch's
            details,
        )


def _attribute(name: str, value: object) -> str:
    """``value`` is ours, and needs no escaping."""
    return f' {name}="{value}"' if value else ""


def _name(row: Row) -> str:
    """Dotted name, how it was called, how often, what stands beside it, and the marks.

    A name breaks at its dots, where it has to.
    """
    title = row.title
    path, _, name = text(title.name).replace(".", ".<wbr>").rpartition(".<wbr>")
    beside = map(dotted, beside_of(row))
    return "".join(
        (
            f"<small>{text(title.before)}</small>" if title.before else "",
            f"<bdi>{f'<small>{path}.</small><wbr>' if path else ''}",
            f"<strong>{name}</strong>" if title.after else name,
            f"{text(title.after).replace('.', '.<wbr>')}</bdi>",
            f" <strong>×&nbsp;{row.count}</strong>" if row.count > 1 else "",
            *(f" <small>{each}</small>" for each in beside),
            *(f" {mark(word)}" for word in row.marks),
        )
    )


def beside_of(row: Row) -> list[str]:
    """What stands beside the name, such as the sender."""
    return [
        fact.line % {"value": fact.value if isinstance(fact.value, str) else in_words(fact.value)}
        for fact in row.facts
        if fact.where == "beside" and fact.value is not None
    ]


def _error(row: Row) -> str:
    """In one line; that of a dispatch, only if no row below shows it."""
    errors = [str(each.value) for each in row.facts if _is_shown_error(each)]
    return "".join(
        f"<div><bdi>{text(said if len(said) <= 160 else said[:159] + '…')}</bdi></div>"
        for said in errors
    )


def _is_shown_error(fact: Fact) -> bool:
    return isinstance(fact.value, Error) and fact.where != "nowhere"


def _span(row: Row) -> tuple[float, float] | None:
    """From when to when it ran; ``None`` for what takes no time."""
    match row.record:
        case OnCommit(ran_at=ran_at):
            # Not where it stands, which is where it was registered.
            return None if ran_at is None else (ran_at, ran_at + row.duration)
        case InPackage(calls=calls, bypasses=bypasses):
            done: tuple[ReceiverCall | Bypass, ...] = (*calls, *bypasses)
            end = max(each.started_at + each.duration for each in done)
            return row.started_at, end
    return (row.started_at, row.started_at + row.duration) if row.is_timed else None


def _own(row: Row, start: float, end: float, axis: float) -> list[tuple[float, float]]:
    """When the row's receiver itself ran, or those of a package did."""
    if isinstance(row.record, InPackage):
        return _run_together(row.record, axis)
    if row.kind != "call":
        return []
    own: list[tuple[float, float]] = []
    since = start
    nested = [span for each in row.rows if (span := _span(each)) and span[0] < span[1]]
    for began, ended in sorted(nested):
        if began < end:  # A callback may run long after its call.
            own.append((since, began))
            since = max(since, ended)
    return [*own, (since, end)]


def _run_together(package: InPackage, axis: float) -> list[tuple[float, float]]:
    """Hundreds of short calls, of which neighbours are one piece where nobody sees a gap."""
    pieces: list[tuple[float, float]] = []
    for call in sorted(package.calls, key=lambda each: each.started_at):
        since, until = call.started_at, call.started_at + call.own_time
        if pieces and since - pieces[-1][1] < axis / 250:
            pieces[-1] = pieces[-1][0], max(pieces[-1][1], until)
        else:
            pieces.append((since, until))
    return pieces


def _bars(row: Row, span: tuple[float, float], axis: float) -> str:
    """The time of the whole row as a thin line, and its own time as thick pieces on that.

    What went wrong is drawn hollow, what was slow is drawn higher: seen without colours too.
    """
    if axis <= 0:
        return ""
    start, end = span
    own = _own(row, start, end, axis)
    # Pieces too narrow to be seen are left out, because there may be thousands; but not all.
    is_package = row.kind == "package"
    seen = [each for each in own if is_package or each[1] - each[0] >= axis / 500] or own[:1]
    is_wrong = any(mark_of(word).tone == "trouble" for word in row.marks)
    if is_wrong:
        shapes: tuple[tuple[int, int], ...] = ((2, 4), (12, 4))
    else:
        shapes = ((0, 18),) if "SLOW" in row.marks else ((4, 10),)
    color = WRONG if is_wrong else OWN
    boxes = [_box(start, end, axis, NESTED, 8, 2)] if seen != [(start, end)] else []
    boxes += [
        _box(since, until, axis, color, top, height)
        for since, until in seen
        for top, height in shapes
    ]
    return f'<svg class="djDebugLineChart">{"".join(boxes)}</svg>'


def _box(start: float, end: float, axis: float, color: str, top: int, height: int) -> str:
    """At least so wide that it can be seen; folded rows may end after all is over.

    Numbers with a decimal point, whatever the language of the page: SVG reads no comma.
    """
    width = max((end - start) / axis * 100, 0.4)
    x = min(start / axis * 100, 99.6)
    return (
        f'<rect fill="{color}" x="{x:.2f}%" width="{min(width, 100 - x):.2f}%" '
        f'y="{top}" height="{height}"/>'
    )
