"""A signal map as text: a tree for eyes, and a Markdown table for documents."""

from __future__ import annotations

import re
from collections.abc import Iterator
from textwrap import wrap

from signal_tracer.showing.facts import REASONS
from signal_tracer.showing.map_rows import notes, summary, unheard
from signal_tracer.signal_map import Connection, Explanation, Obstacle, SignalMap
from signal_tracer.wording import location_of, plural, printable


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
    yield location_of(connection.defined_at)


# Why a receiver would not run, besides the reasons that a trace has as well; %(sender)s is what it
# is connected to.
_OBSTACLES: dict[Obstacle, str] = {
    "not_run": "an earlier receiver raised",
    "refused": "it is async, and a sync send cannot run it in a running event loop",
    "muted": "it is muted",
    "not_connected": "it is not connected, though the source has it",
    "dead": "it was collected as garbage: nothing but the connection referred to it",
    "waiting": "it waits for a model %(sender)s, and no model goes by that name",
    "sender_gone": "the sender that it was connected to is gone",
    "left_out": "Django's cache of who hears that sender was filled while it was not connected",
    **{reason: f"it is {phrase.words}" for reason, phrase in REASONS.items()},
}
# What a sender can be that Django never sends a signal of its models with.
_NEVER: dict[str, str] = {
    "abstract": "is an abstract model: Django sends the model that inherits from it",
    "swapped": "was swapped out: Django sends the model in its place",
}
_OF_ROWS = ("pre_save", "post_save", "pre_delete", "post_delete")


def explanation(
    found: Explanation, *, hint: str = "", width: int | None = None, ascii_only: bool = False
) -> str:
    """Who would run, in calling order, and of all others why they would not.

    ``hint`` is a last line; ``width`` where to break lines, if at all.
    """
    signal, running, rest = found.signal, found.running(), found.not_running()
    lines = [f"{signal.name}  sent by {found.sender}"]
    if signal.own_methods:
        lines.append(
            f"  {signal.type} has its own {', '.join(signal.own_methods)} and decides itself whom "
            "it calls; this is what Django's own send() would do."
        )
    never, last = _NEVER.get(found.sender_kind), signal.name.rpartition(".")[2]
    if signal.name == "django.db.models.signals.m2m_changed" and found.sender_kind == "model":
        never = "never sends it: the through of a field does"
    if found.sender_kind == "table" and last in _OF_ROWS:
        never = "never sends it: Django made this table itself, and sends m2m_changed for it"
    if never and signal.name.startswith("django.db.models.signals."):
        lines.append(f"  ! {found.sender} {never}.")
    lines += ["", f"{plural(len(running), 'receiver')} would run" + (":" if running else ".")]
    for number, connection in enumerate(running, 1):
        together = "  (after the others, with all that are async)" if connection.is_async else ""
        lines.append(f"  {number}  {'  '.join([*_words(connection)][1:])}{together}")
    if rest:
        lines += ["", f"{plural(len(rest), 'receiver')} would not:"]
    for each in rest:
        assert each.obstacle is not None
        sentence = _OBSTACLES[each.obstacle] % {"sender": each.connection.heard}
        place = location_of(each.connection.defined_at)
        lines += [f"  -  {each.connection.receiver}  {place}", f"     {sentence}"]
    if found.missing:
        count = plural(len(found.missing), "receiver")
        lines += ["", f"{count} in the source, not connected:"]
    for missing in found.missing:
        lines += [
            f"  !  {missing.receiver}  {location_of(missing.written_at)}",
            f"     {missing.because}",
            f"     {missing.mend}.",
        ]
    if hint:
        lines += ["", hint]
    shown = (printable(line, ascii_only=ascii_only) for line in lines)
    return "\n".join(part for line in shown for part in _broken(line, width))


def _broken(line: str, width: int | None) -> list[str]:
    """The line in pieces that are no wider, each below the text of the first; names stay whole."""
    if width is None or len(line) <= width:
        return [line]
    below = " " * 5 if line.startswith(" ") else ""
    return wrap(
        line,
        max(width, 20),
        initial_indent="",
        subsequent_indent=below,
        drop_whitespace=True,
        break_long_words=False,
        break_on_hyphens=False,
    )


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
            _plain(location_of(connection.defined_at)),
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
