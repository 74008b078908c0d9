"""The place for a signal map as text: a tree for eyes, and a Markdown table for documents."""

from __future__ import annotations

import re
from collections.abc import Iterator

from signal_tracer.showing.map_rows import notes, summary, unheard
from signal_tracer.signal_map import Connection, SignalMap
from signal_tracer.wording import place_of, printable


def tree(signal_map: SignalMap, *, ascii_only: bool = False) -> str:
    """Each signal with its receivers below it, in the order in which Django calls them."""
    fork, corner = ("|- ", "`- ") if ascii_only else ("├─ ", "└─ ")
    lines = [summary(signal_map)]
    for signal in signal_map.signals:
        own = f"  (own {', '.join(signal.own_methods)})" if signal.own_methods else ""
        nobody = "" if signal.connections else "  (nobody listens)"
        lines += ["", f"{signal.name}{own}{nobody}"]
        for connection in signal.connections:
            is_last = connection is signal.connections[-1]
            lines.append(f"{corner if is_last else fork}{'  '.join(_words(connection))}")
    return "\n".join(printable(line, ascii_only=ascii_only) for line in lines)


def _words(connection: Connection) -> Iterator[str]:
    yield f"{connection.position}"
    yield connection.receiver
    yield connection.heard
    yield from notes(connection)
    yield place_of(connection.defined_at)


def markdown(signal_map: SignalMap) -> str:
    """One table of all connections, by signal; then the signals that nobody listens to."""
    lines = [
        "| Signal | # | Receiver | Sender | Notes | Defined at | What it does |",
        "|---|--:|---|---|---|---|---|",
    ]
    for signal, connection in signal_map.walk():
        cells = [
            _code(signal.name),
            str(connection.position),
            _code(connection.receiver),
            _plain(connection.heard) if connection.sender is None else _code(connection.sender),
            _plain(", ".join(notes(connection))),
            _plain(place_of(connection.defined_at)),
            _plain(connection.doc),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    nobody = unheard(signal_map)
    if nobody:
        lines += ["", "Nobody listens to:", ""]
        lines += [f"- {_code(signal.name)}" for signal in nobody]
    return "\n".join(lines)


def _code(text: str) -> str:
    """A code span that shows the text as it is, whatever is in it."""
    text = printable(text)
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    gap = " " if longest else ""
    # A pipe ends the cell, even in a code span.
    return f"{fence}{gap}{text}{gap}{fence}".replace("|", "\\|")


def _plain(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]()<>#+!|~&-])", r"\\\1", printable(text))
