"""Former requests of the same method, route and status, as far as the toolbar's store has them.

What was asked for, and how much it set off, is kept of each request by its id: of those of this
process from when they ended, of those of another one (or of this one before it was reloaded) from
when somebody first looks. The traces themselves stay in the store.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from typing import Any
from uuid import UUID

from debug_toolbar.store import get_store
from django.http import HttpRequest

from signal_tracer.difference import COUNTED, totals
from signal_tracer.panel.words import added, gettext

logger = logging.getLogger("signal_tracer")

MOST_KNOWN = 1_000
# Seconds in which traces of other processes are read when somebody looks; what is left, next time.
READING_TIME = 0.1


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asked for, when, and how much it set off."""

    what: tuple[str, str, int]
    """The method, the route of its URLconf (of ``/orders/3/`` and of ``/orders/4/`` one), and the
    status of the answer: a form that was saved has little in common with one that was refused, or
    with the way to the login."""
    started_at: datetime
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Former:
    """The last request that asked for the same, and what has come since, in words."""

    request_id: str
    sentence: str


# By the ids of requests.
_known: dict[str, Asked] = {}


def route_of(request: HttpRequest, path: str) -> str:
    """The route that led to the view; without one the path."""
    match = request.resolver_match
    route = None if match is None else match.route
    return route if type(route) is str and route else path


def learn(request_id: str | None, stats: Mapping[str, Any]) -> Asked | None:
    """Keep in mind what the panel has recorded of a request; ``None`` if that says nothing."""
    asked = _asked(stats)
    if asked is not None and request_id:
        _known[request_id] = asked
        for oldest in list(_known)[: max(0, len(_known) - MOST_KNOWN)]:
            _known.pop(oldest, None)
    return asked


def _asked(stats: Mapping[str, Any]) -> Asked | None:
    """A store outlives upgrades: anything may stand in it."""
    try:
        method, route, status = stats["asked"]
        started_at = datetime.fromisoformat(stats["trace"]["started_at"])
        counts = {name: stats[name] for name in COUNTED}
    except (KeyError, TypeError, ValueError):
        return None
    if started_at.tzinfo is None or any(
        type(each) is not int for each in (status, *counts.values())
    ):
        return None
    return Asked((str(method), str(route), status), started_at, counts)


def former_of(request_id: str, stats: Mapping[str, Any], panel_id: str) -> Former | None:
    """The last request that asked for what this one did, if the store still has it."""
    asked = learn(request_id, stats)
    if asked is None:
        return None
    try:
        former = _last_before(request_id, asked, panel_id)
    except Exception:
        logger.exception("The panel could not look for the last request of the same path.")
        return None
    if former is None:
        return None
    request_id, counts = former[0], former[1].counts
    more = [added(each) for each in totals(counts, asked.counts)]
    if more:
        sentence = gettext("Since the last request of this path: %(what)s") % {
            "what": gettext(", ").join(more)
        }
    else:
        sentence = gettext(
            "Since the last request of this path: as many dispatches, receiver calls and queries"
        )
    return Former(request_id, sentence)


def _last_before(request_id: str, asked: Asked, panel_id: str) -> tuple[str, Asked] | None:
    store = get_store()
    # One store has the oldest first, another one the newest: what is nearest comes first.
    stored = [each.hex if isinstance(each, UUID) else str(each) for each in store.request_ids()]
    here = stored.index(request_id) if request_id in stored else len(stored)
    near = sorted(range(len(stored)), key=lambda place: abs(place - here))
    until = perf_counter() + READING_TIME
    last: tuple[str, Asked] | None = None
    for each in (stored[place] for place in near):
        known = _known.get(each)
        if known is None and perf_counter() < until:
            known = learn(each, store.panel(each, panel_id) or {})
        if known is None or known.what != asked.what or known.started_at >= asked.started_at:
            continue
        if last is None or known.started_at > last[1].started_at:
            last = each, known
    return last
