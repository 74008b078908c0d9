"""The rules over a signal map about rows that change, or are deleted, past their receivers."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator

from signal_tracer.findings import catalogue
from signal_tracer.findings.kinds import Finding, Kind, Level
from signal_tracer.findings.source import Function, Sources
from signal_tracer.findings.walk import MADE_FOR_EACH_APP, MIGRATIONS, last_name
from signal_tracer.phrases import Names
from signal_tracer.records import Location
from signal_tracer.signal_map import Connection, Detour, MappedSignal, SignalMap
from signal_tracer.wording import location_of


def _finding(
    kind: Kind,
    signal: MappedSignal,
    connection: Connection,
    found: list[Detour],
    location: Location | None = None,
) -> Finding:
    location = location or connection.defined_at
    return Finding(
        kind,
        {
            "signal": last_name(signal.name),
            "receiver": connection.receiver,
            "sender": connection.heard,
            "origins": Names.of(each.origin or "" for each in found) if found else "",
            "fields": Names.of(f"{each.field} ({each.by})" for each in found) if found else "",
            "place": location_of(location),
        },
        names=tuple(name for name in (connection.receiver, signal.name, connection.sender) if name),
        location=location,
        owner=connection.owner,
    )


def database_cascades(signal_map: SignalMap, _: Sources) -> Iterator[Finding]:
    for signal, connection in signal_map.walk():
        found = [each for each in connection.detours if each.by == "DB_CASCADE"]
        if found:
            yield _finding(catalogue.DATABASE_CASCADE_MAPPED, signal, connection, found)


def soft_deletes(signal_map: SignalMap, _: Sources) -> Iterator[Finding]:
    for signal, connection in signal_map.walk():
        for each in connection.detours:
            if each.by == "delete":
                yield _finding(
                    catalogue.SOFT_DELETE_MAPPED, signal, connection, [], each.defined_at
                )


def changed_by_deletions(signal_map: SignalMap, _: Sources) -> Iterator[Finding]:
    for signal, connection in signal_map.walk():
        found = [each for each in connection.detours if each.by not in ("DB_CASCADE", "delete")]
        left = [each for each in found if each.by == "DO_NOTHING"]
        if not connection.is_project:
            continue  # What a package listens to it listens to for reasons of its own.
        if left:
            yield _finding(catalogue.LEFT_TO_DATABASE, signal, connection, left)
        elif found:
            yield _finding(catalogue.SET_ON_DELETE_MAPPED, signal, connection, found)


def every_app_receivers(signal_map: SignalMap, sources: Sources) -> Iterator[Finding]:
    for signal, connection in signal_map.walk():
        if signal.name not in MIGRATIONS or connection.sender_kind != "any":
            continue
        function = sources.function_at(connection.defined_at)
        # One that looks at the app does something else for each; one that works with what Django
        # makes for each app has to run for the last of them.
        if (
            function is not None
            and function.ignores("sender")
            and function.ignores("app_config")
            and not _speaks_of(function, MADE_FOR_EACH_APP)
        ):
            yield _finding(catalogue.EVERY_APP_RECEIVER, signal, connection, [])


def _speaks_of(function: Function, wanted: re.Pattern[str]) -> bool:
    """Whether it is in a name or a text of its code; not in the docstring."""
    words = (
        getattr(node, name, None)
        for statement in function.node.body[function.has_docstring :]
        for node in ast.walk(statement)
        for name in ("id", "attr", "arg", "value", "name")
    )
    return any(isinstance(each, str) and wanted.search(each) for each in words)


def lost_senders(signal_map: SignalMap, _: Sources) -> Iterator[Finding]:
    """Connections whose sender is nowhere among what is alive."""
    for signal, connection in signal_map.walk():
        if (
            signal_map.is_complete
            and connection.sender_kind == "unknown"
            and connection.state == "alive"
        ):
            yield _finding(catalogue.LOST_SENDER, signal, connection, [])


# In the order in which findings of one level are shown.
RULES: tuple[tuple[Level, Callable[[SignalMap, Sources], Iterator[Finding]]], ...] = (
    ("warning", database_cascades),
    ("warning", soft_deletes),
    ("warning", lost_senders),
    ("info", changed_by_deletions),
    ("info", every_app_receivers),
)
