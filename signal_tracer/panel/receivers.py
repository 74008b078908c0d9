"""The receivers table: one line a receiver, whatever dispatches it ran in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from signal_tracer.panel.locations import Locations
from signal_tracer.panel.words import dotted, duration, gettext, gettext_noop, joined
from signal_tracer.showing.receivers import Receiver, ranked


@dataclass(frozen=True, slots=True)
class Column:
    slug: str
    title: str
    value: Callable[[Receiver], float]
    is_time: bool


COLUMNS = (
    Column("calls", gettext_noop("Calls"), lambda each: each.calls, False),
    Column("total", gettext_noop("Total"), lambda each: each.total, True),
    Column("own", gettext_noop("Own time"), lambda each: each.own, True),
    Column("average", gettext_noop("Average"), lambda each: each.average, True),
    Column("longest", gettext_noop("Longest"), lambda each: each.longest, True),
    Column("queries", gettext_noop("Queries"), lambda each: each.queries, False),
    Column("swallowed", gettext_noop("Swallowed"), lambda each: each.swallowed, False),
)
BY_SLUG = {column.slug: column for column in COLUMNS}
SORTED_BY = "own"
BY_NAME = "name"


def rank(receivers: Iterable[Receiver], sort: str) -> list[Receiver]:
    """Sorted by one column, the greatest first; names from A to Z."""
    if sort == BY_NAME:
        return sorted(receivers, key=lambda each: each.name)
    column = BY_SLUG.get(sort, BY_SLUG[SORTED_BY])
    return ranked(receivers, column.value)


def table(
    receivers: Iterable[Receiver], locations: Locations, parts: str, sort: str, *, is_whole: bool
) -> SafeString:
    """The headings sort: in place what is whole, and else in a window."""
    column = None if sort == BY_NAME else BY_SLUG.get(sort, BY_SLUG[SORTED_BY])
    return format_html(
        '<table class="sigtr-receivers"{}><thead><tr><th aria-sort="{}">{}</th>{}</tr></thead>'
        "<tbody>{}</tbody></table>",
        mark_safe(" data-whole") if is_whole else "",
        "none" if column else "ascending",
        _heading(parts, BY_NAME, gettext("Receiver")),
        joined(
            format_html(
                '<th class="sigtr-number" aria-sort="{}">{}</th>',
                "descending" if each is column else "none",
                _heading(parts, each.slug, gettext(each.title)),
            )
            for each in COLUMNS
        ),
        joined(_row(each, locations) for each in receivers),
    )


def _heading(parts: str, slug: str, title: str) -> SafeString:
    return format_html('<a class="remoteCall" href="{}?sort={}">{}</a>', parts, slug, title)


def _row(receiver: Receiver, locations: Locations) -> SafeString:
    return format_html(
        '<tr><td><div class="djDebugSql">{}<br><small>{}</small></div></td>{}</tr>',
        dotted(receiver.name),
        locations.show(receiver.defined_at),
        joined(
            format_html(
                '<td class="djdt-time" data-value="{}">{}</td>',
                # Not left to the template's or the language's way of writing numbers.
                f"{column.value(receiver):.9f}",
                duration(column.value(receiver)) if column.is_time else int(column.value(receiver)),
            )
            for column in COLUMNS
        ),
    )
