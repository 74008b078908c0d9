"""A signal map that is kept in a file, and for what has changed since.

Such a file is the same on every machine and in every run: it has no line numbers, ids or paths.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from signal_tracer import plain
from signal_tracer.plain import JSON
from signal_tracer.printable import printable
from signal_tracer.signal_map import (
    Connection,
    MappedSignal,
    SignalMap,
    SignalMapFormatError,
    without_version,
)
from signal_tracer.wording import without_addresses

FORMAT_VERSION = 1
# What may choose a part of the map: by names, or by being on.
FILTERS = ("signal", "sender", "receiver", "app")
SWITCHES = ("project_only", "unheard", "load_urls")


@dataclass(frozen=True, slots=True)
class Kept:
    """What a file says of a connection; the first three tell it from others of its signal."""

    receiver: str
    sender: str | None
    dispatch_uid: str | None
    is_weak: bool | None
    is_async: bool | None

    @property
    def key(self) -> tuple[str, str | None, str | None]:
        return self.receiver, self.sender, self.dispatch_uid

    def __str__(self) -> str:
        sender = "any sender" if self.sender is None else self.sender
        uid = "" if self.dispatch_uid is None else f" (dispatch_uid {self.dispatch_uid})"
        return printable(f"{self.receiver} for {sender}{uid}")


@dataclass(frozen=True, slots=True)
class SavedMap:
    """The stable part of a signal map, and the filters that chose it."""

    signals: dict[str, list[Kept]]
    filters: dict[str, Any]

    def to_text(self) -> str:
        """JSON with one line a connection, so that a diff in review is readable."""
        lines = [
            "{",
            f'  "version": {FORMAT_VERSION},',
            f'  "filters": {json.dumps(self.filters, sort_keys=True)},',
            '  "signals": {',
        ]
        last = len(self.signals) - 1
        for number, (name, connections) in enumerate(self.signals.items()):
            comma = "" if number == last else ","
            if not connections:
                lines.append(f"    {json.dumps(name)}: []{comma}")
                continue
            lines.append(f"    {json.dumps(name)}: [")
            rows = [f"      {json.dumps(plain.write(each))}" for each in connections]
            lines += [*(f"{row}," for row in rows[:-1]), rows[-1], f"    ]{comma}"]
        return "\n".join([*lines, "  }", "}", ""])


def save(signal_map: SignalMap, filters: JSON) -> SavedMap:
    """What is kept of the map. Without what is dead: that is gone by accident of the moment."""
    signals: dict[str, list[Kept]] = {}
    unnamed: list[list[Kept]] = []
    for signal in signal_map.signals:
        kept = [_keep(each) for each in signal.connections if _is_lasting(each)]
        if _is_named(signal):
            signals.setdefault(signal.name, []).extend(kept)
        elif kept:
            unnamed.append(kept)
    # They are numbered as they are met, which differs from run to run.
    for number, kept in enumerate(sorted(unnamed, key=repr), 1):
        signals[f"<unnamed signal {number}>"] = kept
    return SavedMap(dict(sorted(signals.items())), filters)


def load(text: str) -> SavedMap:
    """What ``to_text()`` wrote. Raises ``SignalMapFormatError`` for anything else."""
    try:
        data: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SignalMapFormatError(f"This is not JSON ({error}).") from error
    rest = without_version(data, FORMAT_VERSION)
    try:
        saved = plain.read(SavedMap, rest)
    except plain.DamageError as damage:
        raise SignalMapFormatError(f"This signal map is damaged ({damage}).") from damage
    for name, given in saved.filters.items():
        _check_filter(name, given)
    return saved


def _check_filter(name: str, given: object) -> None:
    if name in FILTERS:
        if isinstance(given, list) and all(isinstance(each, str) for each in given):
            return
        wrong = " that is not a list of names."
    elif name in SWITCHES:
        if given is True:
            return
        wrong = " that is not true."
    else:
        known = ", ".join((*FILTERS, *SWITCHES))
        wrong = f", and there is none of that name: the filters are {known}."
    raise SignalMapFormatError(f"This signal map has a filter {plain.spell(name)}{wrong}")


def compare(old: SavedMap, new: SavedMap) -> list[str]:
    """What differs, a line each: signals, then connections, added, removed, changed, reordered."""
    lines = [f"removed: the signal {name}" for name in old.signals if name not in new.signals]
    lines += [f"added: the signal {name}" for name in new.signals if name not in old.signals]
    for name in sorted(old.signals.keys() | new.signals.keys()):
        lines += _differences(name, old.signals.get(name, []), new.signals.get(name, []))
    return [printable(line) for line in lines]


def _differences(signal: str, old: list[Kept], new: list[Kept]) -> Iterator[str]:
    was, now = _by_key(old), _by_key(new)
    for key, each in was.items():
        if key not in now:
            yield f"removed: {signal} no longer calls {each}"
    for place, (key, each) in enumerate(now.items(), 1):
        if key not in was:
            yield f"added: {signal} calls {each}, as number {place} of {len(now)}"
    for key, each in now.items():
        before = was.get(key)
        if before is not None and before != each:
            yield f"changed: {signal} calls {each}: {' and '.join(_changes(before, each))}"
    yield from _moves(
        signal, [key for key in was if key in now], [key for key in now if key in was], now
    )


def _by_key(connections: list[Kept]) -> dict[object, Kept]:
    seen: Counter[object] = Counter()
    found: dict[object, Kept] = {}
    for each in connections:
        seen[each.key] += 1
        found[each.key, seen[each.key]] = each
    return found


def _changes(before: Kept, now: Kept) -> Iterator[str]:
    if before.is_weak != now.is_weak:
        yield f"it is now held {'weakly' if now.is_weak else 'strongly'}"
    if before.is_async != now.is_async:
        yield f"it is now {'async' if now.is_async else 'sync'}"


def _moves(
    signal: str, was: list[object], now: list[object], kept: dict[object, Kept]
) -> Iterator[str]:
    """The fewest connections that have to be moved to get from one order to the other."""
    if was == now:
        return
    matcher = SequenceMatcher(None, was, now, autojunk=False)
    stay = {
        key
        for block in matcher.get_matching_blocks()
        for key in now[block.b : block.b + block.size]
    }
    for place, key in enumerate(now):
        if key not in stay:
            after = f"after {kept[now[place - 1]].receiver}" if place else "first"
            yield f"reordered: {signal} calls {kept[key]} {after} now"


def _is_named(signal: MappedSignal) -> bool:
    return not signal.name.startswith("<")


def _is_lasting(connection: Connection) -> bool:
    return connection.state != "dead" and connection.sender_kind != "gone"


def _keep(connection: Connection) -> Kept:
    uid = connection.dispatch_uid
    return Kept(
        without_addresses(connection.receiver),
        None if connection.sender is None else without_addresses(connection.sender),
        # One that is no string holds ids as often as not.
        uid
        if uid is None
        else without_addresses(uid)
        if isinstance(uid, str)
        else "(not a string)",
        connection.is_weak,
        connection.is_async,
    )
