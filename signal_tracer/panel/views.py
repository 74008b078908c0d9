"""The panel's views: more of a trace, and the whole of it to take away.

Each reads the trace from the toolbar's store, answers whoever may see the toolbar and nobody
else, and speaks the toolbar's language.
"""

from __future__ import annotations

import json
import logging
import re
from typing import Any
from urllib.parse import quote

from debug_toolbar.decorators import render_with_toolbar_language, require_show_toolbar
from debug_toolbar.store import get_store
from debug_toolbar.toolbar import DebugToolbar
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils.translation import get_language_bidi
from django.views.decorators.http import require_safe

from signal_tracer.findings.about import UnknownSlugError, about
from signal_tracer.panel.connections import listeners_context, map_context
from signal_tracer.panel.details import occurrences
from signal_tracer.panel.page import Page, View, latest_page, page_of
from signal_tracer.panel.prose import prose
from signal_tracer.panel.words import counted, gettext, visible
from signal_tracer.showing.export.perfetto import to_perfetto
from signal_tracer.showing.facts import MARKS
from signal_tracer.showing.rows import Row, select
from signal_tracer.trace import Trace, TraceFormatError

logger = logging.getLogger("signal_tracer")

PANEL_ID = "SignalTracerPanel"


# What a store raises for an id that cannot be one of its own (the database's are UUIDs), and for
# an entry that it cannot read. Not what a database raises that cannot be asked at all.
UNREADABLE = (ValidationError, ValueError, TypeError, KeyError, AttributeError, RecursionError)


class MissingError(Exception):
    """There is no such trace, or no such part of it; says to a person what to do."""


def stored_trace(request_id: str) -> Trace:
    """The trace that the panel stored. Raises ``MissingError`` with what to tell a person."""
    try:
        toolbar = DebugToolbar.fetch(request_id, PANEL_ID)
        data = toolbar.get_panel_by_id(PANEL_ID).get_stats().get("trace") if toolbar else None
    except UNREADABLE:
        data = None
    if not data:
        raise MissingError(
            gettext(
                "The trace of this request is not available any more: the toolbar keeps the last "
                "requests only (RESULTS_CACHE_SIZE). Reload the page and try again."
            )
        )
    try:
        return Trace.from_dict(data)
    except TraceFormatError as error:  # a store that outlives an upgrade
        raise MissingError(visible(str(error))) from error


def stored_page(request_id: str) -> Page:
    """The page of a request that the toolbar still has."""
    kept = latest_page(request_id) if _is_stored(request_id) else None
    return kept or page_of(request_id, stored_trace(request_id))


def _is_stored(request_id: str) -> bool:
    try:
        return bool(get_store().exists(request_id))
    except UNREADABLE:
        return False


@login_not_required
@require_safe
@require_show_toolbar
@render_with_toolbar_language
def part(request: HttpRequest, request_id: str) -> JsonResponse:
    """A part of a trace as JSON: ``content`` fills the toolbar's window, ``inner`` a place in the
    panel itself. What there is not is a 404 that holds, for both, what to do about it."""
    status = 200
    try:
        page = stored_page(request_id)
        title, inner, extra = _part(page, request)
    except MissingError as error:
        title, inner, extra = _missing(str(error))
        status = 404
    except Exception:
        logger.exception("The panel could not show a part of a trace.")
        title, inner, extra = _missing(
            gettext(
                "This could not be shown. The log of the logger 'signal_tracer' says what happened."
            )
        )
    content = render_to_string(
        "signal_tracer/window.html",
        {
            "title": title,
            "inner": extra.pop("window", inner),
            "direction": "rtl" if get_language_bidi() else "ltr",
        },
    )
    return JsonResponse({"content": content, "inner": inner, **extra}, status=status)


def _missing(text: str) -> tuple[str, str, dict[str, Any]]:
    return gettext("Not available"), _render("window_missing", {"text": text}), {"missing": True}


def _part(page: Page, request: HttpRequest) -> tuple[str, str, dict[str, Any]]:
    """The title of a part, its HTML, and what else its answer holds."""
    asked = request.GET
    context: dict[str, Any]
    start = _number(asked.get("from", "0"))
    if "row" in asked:
        return _row(page, _number(asked["row"]), start)
    if "sort" in asked:
        receivers = page.receivers(asked["sort"], start)
        return _table(gettext("Receivers"), "receivers", receivers, start)
    if "outline" in asked:
        text = "\n".join(map(visible, page.trace.outline().split("\n")))
        context = {"text": text}
        return (
            gettext("The outline as text"),
            render_to_string("signal_tracer/window_outline.html", context),
            {"text": text},
        )
    titles = {
        "findings": gettext("Findings"),
        "bypasses": gettext("Bypasses"),
        "unheard": gettext("Unheard"),
        "changes": gettext("Connections"),
    }
    for name, title in titles.items():
        if name in asked:
            return _table(title, name, page.listed(name, start), start)
    if "map" in asked:
        return gettext("Signal map"), _render("map", map_context(page.trace, page.locations)), {}
    if "heard" in asked:
        context = listeners_context(asked["heard"], page.trace, page.locations)
        return visible(asked["heard"]), _render("map", context), {}
    if "since" in asked:
        return _since(page, asked["since"], start)
    if "about" in asked:
        return _about(asked["about"])
    view: View = "all" if asked.get("view") == "all" else "own"
    if "find" in asked:
        return "", "", _found(page, view, asked["find"], asked.get("only", ""))
    if "only" in asked:
        rows = select(page.rows, asked["only"])
        window = _rows(page, rows, start, f"only={quote(asked['only'])}", is_flat=True)
        return _title(asked["only"], len(rows)), window, {}
    if "in" in asked:
        package = page.row(_number(asked["in"]))
        if package is None or package.kind != "package":
            raise MissingError(_no_such_row())
        asked_for = f"in={package.number}"
        return _heading(package), _rows(page, page.rows_in(package), start, asked_for), {}
    if start or "view" in asked:
        return _timeline(page, view, start, is_placed="placed" in asked)
    raise MissingError(_no_such_part())


def _timeline(
    page: Page, view: View, start: int, *, is_placed: bool
) -> tuple[str, str, dict[str, Any]]:
    """The rows of a view for the window; for the panel the whole table, or what follows in it.

    A page of them is long: if they are ``is_placed`` in the panel, the window goes without.
    """
    rows, asked = page.rows_in_view(view), "" if view == "own" else "view=all"
    titles = {"own": gettext("Only this project's"), "all": gettext("All rows")}
    window = "" if is_placed else _rows(page, rows, start, asked)
    shown = page.laid_out(rows, start, asked=asked)
    if not start:
        return titles[view], _render("timeline", shown), {"window": window}
    more = _render("timeline_more", shown)
    return gettext("More rows"), str(shown["rows"]), {"window": window, "more": more}


def _found(page: Page, view: View, words: str, kind: str) -> dict[str, Any]:
    """Which rows a filter lets through, and how many of the kind are in rows of packages only."""
    numbers = page.find(view, words.split(), kind)
    shown = select(page.rows_in_view(view), kind) if kind else []
    return {
        "numbers": numbers,
        "all": len(page.rows_in_view(view)),
        "hidden": len(select(page.rows, kind)) - len(shown) if kind else 0,
    }


def _since(page: Page, former: str, start: int) -> tuple[str, str, dict[str, Any]]:
    context = page.since(stored_trace(former), f"since={quote(former)}", start)
    if context is None:
        raise MissingError(_no_such_part())
    return gettext("Since the last request of this path"), _render("differences", context), {}


def _about(slug: str) -> tuple[str, str, dict[str, Any]]:
    try:
        return slug, prose(about(slug)), {}
    except UnknownSlugError as error:
        raise MissingError(visible(str(error))) from error


def _no_such_part() -> str:
    return gettext("There is no such part of a trace. Reload the page and try again.")


def _no_such_row() -> str:
    return gettext("There is no such row. Reload the page and try again.")


def _row(page: Page, number: int, start: int) -> tuple[str, str, dict[str, Any]]:
    """What a row opens to; in the window, the row itself stands above that."""
    row = page.row(number)
    if row is None or start >= row.count:
        raise MissingError(_no_such_row())
    if start:
        inner = occurrences(row, start, page.parts)
        return _heading(row), inner, {}
    return _heading(row), page.details.show(row), {}


def _table(
    title: str, name: str, context: dict[str, Any] | None, start: int
) -> tuple[str, str, dict[str, Any]]:
    if context is None:
        if start:
            raise MissingError(_no_such_part())
        return _missing(_no_such_part())  # it was right to ask: there only happens to be none
    return title, _render(name, {**context, "in_window": True}), {}


def _heading(row: Row) -> str:
    return visible(str(row.title))


def _title(kind: str, count: int) -> str:
    word = kind.replace("_", " ").upper()
    name = gettext(MARKS[word].word) if word in MARKS else visible(kind)
    return f"{name} · " + counted("%(number)s row", "%(number)s rows", count)


def _rows(page: Page, rows: list[Row], start: int, asked: str, *, is_flat: bool = False) -> str:
    if start and start >= len(rows):
        raise MissingError(_no_such_part())
    return _render("timeline", page.laid_out(rows, start, "sigtrw", is_flat=is_flat, asked=asked))


def _render(name: str, context: dict[str, Any]) -> str:
    return render_to_string(f"signal_tracer/{name}.html", context)


def _number(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise MissingError(_no_such_row())
    return int(text)


@login_not_required
@require_safe
@require_show_toolbar
@render_with_toolbar_language
def download(request: HttpRequest, request_id: str, kind: str) -> HttpResponse:
    """The whole trace as a file: as ``Trace.from_dict()`` reads it, or for ui.perfetto.dev."""
    try:
        trace = stored_trace(request_id)
    except MissingError as error:
        text = "text/plain; charset=utf-8"
        return HttpResponse(str(error), status=404, content_type=text)
    data = to_perfetto(trace) if kind == "perfetto" else trace.to_dict()
    return HttpResponse(
        json.dumps(data, indent=None if kind == "perfetto" else 1),
        content_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="{_file_name(trace, kind)}"'},
    )


def _file_name(trace: Trace, kind: str) -> str:
    """``signal-trace-post-checkout.json``: plain letters, whatever the path was."""
    name = re.sub(r"[^a-z0-9]+", "-", trace.name.lower()).strip("-")[:60]
    return "-".join(filter(None, ("signal-trace", name, kind.replace("trace", "")))) + ".json"


def urls() -> list[URLPattern]:
    """Below the toolbar's own addresses."""
    return [
        path("signal_tracer/<slug:request_id>/", part, name="signal_tracer_part"),
        path(
            "signal_tracer/<slug:request_id>/trace.json",
            download,
            {"kind": "trace"},
            name="signal_tracer_trace",
        ),
        path(
            "signal_tracer/<slug:request_id>/perfetto.json",
            download,
            {"kind": "perfetto"},
            name="signal_tracer_perfetto",
        ),
    ]
