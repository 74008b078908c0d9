"""The signal map in the panel: who is connected, and who of them ran in a trace.

The map is read when somebody asks for it, from the process that answers: a request pays nothing
for it, and a stored trace does not grow by it. What was connected since stands in it too.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from signal_tracer.mapping import map_for_check, map_for_request
from signal_tracer.panel.locations import Locations
from signal_tracer.panel.words import gettext, gettext_noop, visible
from signal_tracer.showing.map_rows import count_calls, group_by_app
from signal_tracer.signal_map import Connection, SignalMap
from signal_tracer.trace import Trace

# More connections than these are counted; a browser lays no more out gladly.
MAX_CONNECTIONS = 1000

MARKS = {
    "DEAD": gettext_noop("dead: its weak reference is gone"),
    "WAITING": gettext_noop("waiting for its model to be defined"),
    "SENDER GONE": gettext_noop("its sender is gone"),
    "SENDER UNKNOWN": gettext_noop("its sender is not known"),
    "FRAGILE": gettext_noop("fragile: nothing but a cache keeps it alive"),
    "ASYNC": gettext_noop("async"),
    "STRONG": gettext_noop("connected strongly"),
    "WITH URLS": gettext_noop("connected by importing the URLconf"),
}


def map_context(trace: Trace, locations: Locations) -> dict[str, Any]:
    """What the template of the map is given."""
    return _context(map_for_request(limit=MAX_CONNECTIONS), trace, locations)


def listeners_context(signal: str, trace: Trace, locations: Locations) -> dict[str, Any]:
    """The same of one signal: who listens to it, and to which sender."""
    whole = map_for_check()
    signals = tuple(each for each in whole.signals if each.name == signal)
    return {**_context(replace(whole, signals=signals), trace, locations), "signal": signal}


def _context(signal_map: SignalMap, trace: Trace, locations: Locations) -> dict[str, Any]:
    calls = count_calls(signal_map, trace)
    groups = [
        {
            "app": visible(group.app),
            "connections": [
                _connection(signal.name, connection, calls, locations)
                for signal in group.signals
                for connection in signal.connections
            ],
        }
        for group in group_by_app(signal_map)
    ]
    return {
        "groups": groups,
        "connections": sum(1 for _ in signal_map.walk()),
        "ran": len(calls),
        "omitted": signal_map.omitted,
    }


def _connection(
    signal: str, connection: Connection, calls: Counter[tuple[str, int]], locations: Locations
) -> dict[str, Any]:
    return {
        "signal": visible(signal),
        "receiver": visible(connection.receiver),
        "sender": gettext("any sender")
        if connection.sender is None
        else visible(connection.sender),
        "location": locations.show(connection.defined_at),
        "calls": calls[signal, connection.position],
        "marks": [gettext(MARKS[mark]) if mark in MARKS else mark for mark in connection.marks()],
    }
