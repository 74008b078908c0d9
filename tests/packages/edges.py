"""Measures how much of what receivers were seen to send is in their source: a plugin of pytest.

    python -m pytest -p edges --edges shop,billing tests/example_site      (with this folder on
    python -m pytest -p edges --edges auditlog,auditlog_tests              the PYTHONPATH)

``--edges`` are the packages that count as the project's. Each test runs in a trace; at the end
every receiver call and what it sent is compared with what ``Effects`` reads from the source.
``--hear-all`` connects a receiver that does nothing to the signals of models, so that what nobody
else hears is seen as well. Printed as a table in Markdown: what was named, what was missed, and
what was named as certain and never seen.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

Edge = tuple[str, str]
_FOLDERS = ("site-packages", "dist-packages")


def hear(**named: object) -> None:
    """Hears all, and does nothing."""


@dataclass
class Route:
    """A receiver, called by one signal of one sender: what was seen, and what its source says."""

    signal: str
    sender: str
    receiver: str
    calls: int = 0
    finished: int = 0
    seen: Counter[Edge] = field(default_factory=Counter)
    places: dict[Edge, set[str]] = field(default_factory=dict)
    named: dict[Edge, str] | None = None
    unknown: list[str] = field(default_factory=list)
    is_project: bool = False


routes: dict[tuple[str, str, str], Route] = {}
_kept: dict[str, Any] = {}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--edges", default="")
    parser.addoption("--hear-all", action="store_true")


def _projects(config: pytest.Config) -> frozenset[str]:
    return frozenset(filter(None, config.getoption("--edges").split(",")))


def _effects(config: pytest.Config) -> Any:
    """Made when Django is set up, with the packages as the project."""
    if "effects" not in _kept:
        from signal_tracer.mapping import effects, ownership, projects
        from signal_tracer.mapping.effects import functions

        chosen = _projects(config)
        for module in (functions, ownership, projects):
            module.project_packages = lambda: chosen  # type: ignore[attr-defined]
        _kept["effects"] = effects.Effects(projects.Project(ownership.Ownership()))
    return _kept["effects"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    from django.db.models import signals

    from signal_tracer import trace_signals

    if item.config.getoption("--hear-all"):
        for name in ("pre_save", "post_save", "pre_delete", "post_delete"):
            getattr(signals, name).connect(hear, dispatch_uid="edges", weak=False)
    with trace_signals() as trace:
        result = yield
    _add(trace, item.config)
    return result


def _add(trace: Any, config: pytest.Config) -> None:
    waiting = list(trace.dispatches)
    for dispatch in waiting:
        for call in dispatch.receiver_calls:
            waiting += call.dispatches
            if call.receiver.endswith("edges.hear"):
                continue
            key = dispatch.signal, dispatch.sender, call.receiver
            route = routes.get(key)
            if route is None:
                route = routes[key] = Route(*key)
                _read(route, call, config)
            route.calls += 1
            route.finished += call.outcome == "returned"
            for sent in call.dispatches:
                edge = sent.signal, sent.sender
                route.seen[edge] += 1
                route.places.setdefault(edge, set()).add(str(sent.sent_from))


def _read(route: Route, call: Any, config: pytest.Config) -> None:
    from signal_tracer.describing.connections import entries_of, read_entry
    from signal_tracer.describing.names import (
        class_name,
        describe_receiver,
        signal_name,
        signals_in_modules,
    )
    from signal_tracer.mapping.senders import Senders, classes_by_id

    effects = _effects(config)
    file = call.defined_at.file if call.defined_at is not None else ""
    route.is_project = bool(file) and effects.functions.is_projects(file)
    if not route.is_project:
        return
    signal = next((s for s in signals_in_modules() if signal_name(s) == route.signal), None)
    sender = next((c for c in classes_by_id().values() if class_name(c) == route.sender), None)
    live, senders = None, Senders()
    for each in entries_of(signal) if signal is not None else ():
        entry = read_entry(each)
        is_found, wanted = senders.find(entry)
        if (
            entry.receiver is not None
            and describe_receiver(entry.receiver).name == route.receiver
            and (wanted is sender or not is_found)
        ):
            live = entry.receiver
    if live is not None:
        steps = effects.of_receiver(live, sender=sender, signal=signal)
    else:
        at = call.defined_at
        steps = effects.of_function(at.file, at.line, at.function)
    route.named = {}
    _flatten(steps, True, route)


def _flatten(steps: Any, is_certain: bool, route: Route) -> None:
    assert route.named is not None
    for step in steps:
        certain = is_certain and step.certainty == "certain"
        if step.certainty == "unknown":
            route.unknown.append(f"{step.text}: {step.reason}")
        for edge in step.sends:
            if certain or edge not in route.named:
                route.named[edge] = "certain" if certain else "may"
        _flatten(step.steps, certain and step.kind != "task" and step.kind != "callback", route)


def _short(place: str) -> str:
    return "/".join(place.split(os.sep)[-3:])


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    write = terminalreporter.write_line
    ours = [each for each in routes.values() if each.is_project]
    others = [each for each in routes.values() if not each.is_project]
    effects = _effects(config)
    counts: Counter[str] = Counter()
    missed, never = [], []
    for route in ours:
        named = route.named or {}
        for edge in route.seen:
            is_own = any(
                effects.functions.is_projects(p.rpartition(":")[0]) for p in route.places[edge]
            )
            if edge[0].endswith((".pre_init", ".post_init")):
                counts["of loading a row (pre_init, post_init), which is left out"] += 1
                continue
            kind = named.get(edge, "missed")
            counts[f"{kind}, sent from {'the project' if is_own else 'a package'}"] += 1
            if kind == "missed":
                missed.append((route, edge))
        for edge, kind in named.items():
            if kind == "certain" and edge not in route.seen and route.finished:
                never.append((route, edge))
    write(f"routes of the project {len(ours)}, of others {len(others)}")
    for kind, count in sorted(counts.items()):
        write(f"| {kind} | {count} |")
    for route, edge in missed:
        write(
            f"MISSED {route.receiver} on {route.signal.rpartition('.')[2]}({route.sender}): "
            f"{edge[0].rpartition('.')[2]}({edge[1]}) from "
            f"{sorted(map(_short, route.places[edge]))} unknown={route.unknown[:3]}"
        )
    for route, edge in never:
        write(
            f"CERTAIN, NEVER SEEN {route.receiver} on {route.signal.rpartition('.')[2]}"
            f"({route.sender}), {route.calls} calls: {edge[0].rpartition('.')[2]}({edge[1]})"
        )
